"""Amplification from counters: measured, or absent. Nothing here is estimated from a formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CAUSES: tuple[str, ...] = ("log", "value", "flush", "merge", "value_moved", "manifest", "recovery")
VALUE_HEAD = 64  # bytes a value file has before its first value


def written(stats: Mapping[str, int]) -> dict[str, int]:
    """{cause: bytes written}, for the causes that wrote anything."""
    found = {cause: stats.get(f"{cause}_bytes", 0) for cause in CAUSES}
    return {cause: amount for cause, amount in found.items() if amount}


def write_amplification(stats: Mapping[str, int]) -> float | None:
    """Bytes written to files for each byte the user gave; None when nothing was written since the store was opened."""
    return sum(written(stats).values()) / stats["user_bytes"] if stats.get("user_bytes") else None


def unread(stats: Mapping[str, int]) -> int:
    """Bytes of value files that verify() does not read: nothing refers to them."""
    heads = VALUE_HEAD * stats["value_files"]
    return max(stats["value_file_bytes"] - stats["value_live_bytes"] - heads, 0)


def places(levels: Sequence[Mapping[str, Any]]) -> int:
    """How many places a get of an absent key may have to ask."""
    runs = {level["run"] for level in levels if level["kind"] == "table"}
    return len(runs) + sum(1 for level in levels if level["kind"] not in ("table", "values"))


def space_amplification(levels: Sequence[Mapping[str, Any]]) -> tuple[float, int] | None:
    """(All bytes for each of the bottom run and its values, and these). The oldest run holds no key twice and no
    deletion, so what is not in it is all that can be too much. None: there is no run yet."""
    tables = [level for level in levels if level["kind"] == "table"]
    bottom = sum(level["bytes"] + level["value_bytes"] for level in tables if level["run"] == tables[-1]["run"])
    return (sum(level["bytes"] for level in levels) / bottom, bottom) if bottom else None


def keys_at_most(levels: Sequence[Mapping[str, Any]]) -> int:
    """No more keys than this are stored: every put counts, whether or not a newer record hides it."""
    return sum(int(level["records"] - level["tombstones"]) for level in levels)
