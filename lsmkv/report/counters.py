"""The counters of LSM.stats() in the order in which they are read, each with what it counts."""

from __future__ import annotations

from collections.abc import Mapping

STALLS = {  # what a write may wait for
    "pacing": "pauses of less than a millisecond each, so that flushes and merges keep up",
    "memtable": "for a flush, because the sealed segments were full",
    "segment": "for the next log segment, because no spare one was ready",
    "prefault": "for pages of the log that were not ready",
    "lock": "for another thread that was writing",
    "sync": "for a sync that it, or the level of durability, had asked for",
}

GROUPS: dict[str, dict[str, str]] = {  # what is in no group comes last, as "other"
    "position": {
        "lsn_visible": "position in the log up to which writes are seen: segment << 32 | offset",
        "lsn_durable": "position up to which the log is known to be on the disk",
        "clean_open": "True: nothing was found that a close() before had not put on record",
        "failed": "True: a sync failed, and nothing more is acknowledged; close the store and open it again",
    },
    "log": {
        "memtable_keys": "keys in the MemTable, the active log segment",
        "memtable_bytes": "bytes of its records",
        "sealed_segments": "full segments that wait for their flush (L0)",
        "sealed_bytes": "bytes of their records",
    },
    "tables": {
        "runs": "sorted runs: what a get may have to ask, each at one place",
        "tables": "table files in them",
        "table_records": "records in them; older versions of a key count as well",
        "table_tombstones": "records among them that delete a key",
        "table_bytes": "bytes of these files",
    },
    "large values": {
        "value_files": "value segments, see large_value_bytes",
        "value_file_bytes": "bytes of these files",
        "value_live_bytes": "bytes in them that records refer to, those of a running merge twice; the rest is garbage",
    },
    "replayed at open": {
        "recovered_records": "records that this open found in the log",
        "recovered_bytes": "bytes of these",
    },
    "calls": {
        "puts": "records written by puts, updates and batches",
        "deletes": "records written that delete a key",
        "range_deletes": "records written that delete a range",
        "gets": "keys looked up",
        "gets_missed": "keys among them that were not there",
        "scans": "iterators begun: ranges, views, first() and the like",
        "leaps": "times that one of them leapt over deleted and expired keys which an earlier one had met",
    },
    "bytes accepted": {
        "user_bytes": "bytes of keys and values that callers gave; the measure for write amplification",
    },
    "bytes written": {
        "log_bytes": "to log segments, frames and their heads included",
        "value_bytes": "to value segments, by writers",
        "flush_bytes": "to tables, by flushes",
        "merge_bytes": "to tables, by merges",
        "value_moved_bytes": "to value segments, by flushes and merges that moved values",
        "manifest_bytes": "to the manifest",
        "recovery_bytes": "by the open, for what it had replayed",
    },
    "bytes read": {
        "read_bytes": "from table files by read calls; what comes through a memory map is the system's to count",
    },
    "waits": {
        "syncs": "times that the log was synced, value segments with it",
        "stalls": "waits of writers that they did not ask for: all below but stall_sync",
        "stall_ns": "nanoseconds of these",
        **{
            f"stall_{cause}{unit}": text
            for cause, why in STALLS.items()
            for unit, text in (
                ("", f"waits {why}"),
                ("_ns", "nanoseconds of these"),
                ("_longest_ns", "the longest of them"),
            )
        },
        "limited_ns": "nanoseconds that background work slept, to keep to background_bytes_per_second",
    },
    "held": {
        "anonymous_bytes": "memory that the engine counts as its own; memory_bytes bounds it, but for windows of long "
        "scans over mapped tables",
        "live_snapshots": "snapshots, and transactions, that are open",
        "live_iterators": "iterators that are neither at their end nor dropped",
        "expired_snapshots": "snapshots given up because of max_pinned_bytes",
        "pinned_bytes": "bytes of files and memory that left the store's state and are still there: for snapshots, "
        "iterators, transactions and views, and for a moment after each flush and merge until the background gives "
        "them back",
    },
    "memory of the process": {
        "resident_anonymous_bytes": "memory of its own, all of the process, as the system counts; 0: not known",
        "resident_file_bytes": "pages of files that it maps, as the system counts; 0: not known",
    },
}
OWN = ("calls", "bytes accepted", "bytes written", "bytes read", "waits")  # counted by each process for itself


def grouped(stats: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """{group: {counter: value}}; a group in which this process has counted nothing is left out."""
    groups = {group: {name: stats[name] for name in names if name in stats} for group, names in GROUPS.items()}
    known = {name for names in GROUPS.values() for name in names}
    groups["other"] = {name: value for name, value in stats.items() if name not in known}
    return {group: found for group, found in groups.items() if found and (group not in OWN or any(found.values()))}
