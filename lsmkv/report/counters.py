"""The counters of LSM.stats() in the order in which they are read."""

from __future__ import annotations

from collections.abc import Mapping

STALLS = ("pacing", "memtable", "segment", "prefault", "lock", "sync")  # what a write may wait for

GROUPS = {  # what is in no group comes last, as "other"
    "position": ("lsn_visible", "lsn_durable", "clean_open", "failed"),
    "log": ("memtable_keys", "memtable_bytes", "sealed_segments", "sealed_bytes"),
    "tables": ("runs", "tables", "table_records", "table_tombstones", "table_bytes"),
    "large values": ("value_files", "value_file_bytes", "value_live_bytes"),
    "replayed at open": ("recovered_records", "recovered_bytes"),
    "calls": ("puts", "deletes", "range_deletes", "gets", "gets_missed", "scans"),
    "bytes accepted": ("user_bytes",),
    "bytes written": (
        "log_bytes",
        "value_bytes",
        "flush_bytes",
        "merge_bytes",
        "value_moved_bytes",
        "manifest_bytes",
        "recovery_bytes",
    ),
    "bytes read": ("read_bytes",),
    "waits": (
        "syncs",
        "stalls",
        "stall_ns",
        *(f"stall_{cause}{unit}" for cause in STALLS for unit in ("", "_ns", "_longest_ns")),
        "limited_ns",
    ),
    "held": ("anonymous_bytes", "live_snapshots", "live_iterators", "expired_snapshots", "pinned_bytes"),
    "memory of the process": ("resident_anonymous_bytes", "resident_file_bytes"),
}
OWN = ("calls", "bytes accepted", "bytes written", "bytes read", "waits")  # counted by each process for itself


def grouped(stats: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """{group: {counter: value}}; a group in which this process has counted nothing is left out."""
    groups = {group: {name: stats[name] for name in names if name in stats} for group, names in GROUPS.items()}
    known = {name for names in GROUPS.values() for name in names}
    groups["other"] = {name: value for name, value in stats.items() if name not in known}
    return {group: found for group, found in groups.items() if found and (group not in OWN or any(found.values()))}
