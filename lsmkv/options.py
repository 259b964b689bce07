"""What can be chosen when a store is opened, the presets, and how a call's words become one set of options."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias, TypedDict

from lsmkv._core import OptionsError

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
TTL_MOST = 1_000_000_000

Durability: TypeAlias = Literal["always", "interval", "os", "none"]
LogSource: TypeAlias = Literal["auto", "mapped", "written"]
MergePolicy: TypeAlias = Literal["default", "leveled", "tiered", "fifo", "none"]
TableSource: TypeAlias = Literal["auto", "mapped", "read"]
Compression: TypeAlias = Literal["none", "auto", "lz4", "zstd"]
Preset: TypeAlias = Literal["default", "low_memory", "bulk", "durable", "teach"]

WORDS: dict[str, tuple[str, ...]] = {
    "durability": ("always", "interval", "os", "none"),
    "merge_policy": ("default", "leveled", "tiered", "fifo", "none"),
    "log_source": ("auto", "mapped", "written"),
    "table_source": ("auto", "mapped", "read"),
    "compression": ("none", "auto", "lz4", "zstd"),
}
BOUNDS = {
    "sync_interval_ms": (1, 86_400_000),
    "threads": (0, 2),
    "segment_bytes": (4 * KIB, GIB),
    "table_bytes": (512, 64 * MIB),
    "page_bytes": (64, 64 * KIB),
    "l0_segments": (1, 8),
    "run_count": (1, 32),
    "fifo_bytes": (0, 1 << 60),
    "memory_bytes": (4 * MIB, 1 << 46),
    "cache_bytes": (0, 1 << 46),
    "large_value_bytes": (0, GIB),
    "max_pinned_bytes": (0, 1 << 46),
    "background_bytes_per_second": (0, 1 << 46),
    "mode": (0, 0o777),
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a store is opened. Nothing here changes what is stored, only when and where to.

    `Options.preset("bulk")` gives a named set, `dataclasses.replace(options, page_bytes=4096)` a variation.
    """

    durability: Durability = "interval"
    """What an acknowledged write survives. "always": a power cut. "interval": a killed process; a power cut loses at
    most sync_interval_ms plus one sync. "os": a killed process. "none": nothing until flush(). A temporary store,
    open(None), has "os" where none is named."""

    sync_interval_ms: int = 1000
    """Milliseconds from the first unsynced write to the sync that covers it, for "interval"; at most a day."""

    threads: int = 2
    """Background threads: 2, or 0, which runs all work inline in the calls that make it due."""

    segment_bytes: int = 32 * MIB
    """Ceiling of a log segment in bytes, 4 KiB to 1 GiB. Segments start small and grow with the write rate. An open
    store keeps the one that is written and the next one on the disk, empty or not; close() gives back what is empty."""

    table_bytes: int = 64 * MIB
    """Target size of a table file in bytes, 512 to 64 MiB."""

    page_bytes: int = 2 * KIB
    """Target size of a page in bytes, 64 to 64 KiB: what a scan reads at least."""

    l0_segments: int = 3
    """Number of sealed segments that start a flush, 1 to 8."""

    run_count: int = 8
    """Number of sorted runs above which some are merged, 1 to 32. While nobody scans and few get, "default" allows four
    times as many, 48 at most, so that a load is not written twice."""

    merge_policy: MergePolicy = "default"
    """What is merged without being asked. "default": by measured garbage, by what reads pay for runs, by their number.
    "leveled": each run is kept at least eight times as large as the next newer one. "tiered": only when there are more
    than run_count runs. "none": nothing before there are 48. "fifo" merges nothing either and **deletes data**: the
    oldest runs leave the store, whatever they hold, by fifo_bytes or fifo_age; a run leaves as a whole, and `compact()`
    or another policy may have made one of everything. May differ from one open to the next."""

    space_limit: float = 1.25
    """Bytes in tables for each byte that lives in them, above which "default" and "leveled" merge; 1.05 to 1000."""

    fifo_bytes: int = 0
    """For "fifo": bytes of tables, and of the values they refer to, above which the oldest runs are deleted with their
    data, not the newest; 0: none."""

    fifo_age: float | None = None
    """For "fifo": seconds after which a run is deleted with its data, at most 31 years; None: never. They count from
    the flush that wrote the newest of it."""

    memory_bytes: int = 44 * MIB
    """Bytes of anonymous memory that the store takes, at least 4 MiB: what indexes the log and puts it in order, tables
    under construction, and table contents that are read and not mapped. Writers wait for a flush rather than pass it.
    Mapped files are not in it, their pages are the system's; nor is what a batch, a transaction or a value needs."""

    cache_bytes: int = 0
    """Bytes of memory, beside memory_bytes, for table contents when tables are read and not mapped, at least 64 KiB;
    0: three eighths of memory_bytes."""

    large_value_bytes: int = 0
    """Values of so many bytes and more are written once, into files of their own, and merges leave them there; 16 to
    1 GiB, 0: none are. May differ from open to open; 4 KiB is a good choice where values are that large."""

    max_pinned_bytes: int = 0
    """Bytes of files and memory that may be kept only for snapshots, iterators, transactions and views, as
    stats()["pinned_bytes"] counts them; 0: no limit. Beyond it the oldest snapshot that no call is using expires: its
    next use raises SnapshotExpiredError. Iterators and views that were made from it go on."""

    background_bytes_per_second: int = 0
    """Bytes of tables that flushes and merges in the background write in a second at most; 0: no limit. It does not
    hold for what a call waits for, nor when the log has grown so far that writers would have to be slowed down."""

    log_source: LogSource = "auto"
    """How the log is written: "mapped" memory, "written" by system calls, or "auto", as the file system allows."""

    table_source: TableSource = "auto"
    """How tables are read: "mapped", "read" into memory (for disks that may be pulled), or "auto"."""

    compression: Compression = "none"
    """How tables written from now on are packed. "auto": by LZ4, when a merge leaves nothing older below and a sample
    shrinks by a quarter. "lz4", "zstd": every table. A table is read as it was written, whatever is chosen now."""

    ttl: float | None = None
    """Seconds that a key lives when the write names no ttl of its own, rounded up to milliseconds, at most 31 years;
    None: for ever. Of this handle, and not stored: a namespace stores its own."""

    mode: int = 0o700
    """Permission bits of the directory when it is created, 0 to 0o777; the files in it follow."""

    def __post_init__(self) -> None:
        for field in fields(self):
            check(field.name, getattr(self, field.name))

    @classmethod
    def preset(cls, name: Preset) -> Options:
        """The options called "default", "low_memory", "bulk", "durable" or "teach"; OptionsError for another name."""
        return cls(**_preset(name))


class Overrides(TypedDict, total=False):
    """The fields of Options as words of a call, for annotations: `def make(**overrides: Unpack[Overrides])`."""

    durability: Durability
    sync_interval_ms: int
    threads: int
    segment_bytes: int
    table_bytes: int
    page_bytes: int
    l0_segments: int
    run_count: int
    merge_policy: MergePolicy
    space_limit: float
    fifo_bytes: int
    fifo_age: float | None
    memory_bytes: int
    cache_bytes: int
    large_value_bytes: int
    max_pinned_bytes: int
    background_bytes_per_second: int
    log_source: LogSource
    table_source: TableSource
    compression: Compression
    ttl: float | None
    mode: int


PRESETS: dict[Preset, Overrides] = {
    "default": {},
    # An embedded device, or many stores in one process.
    "low_memory": {"segment_bytes": 2 * MIB, "table_bytes": 8 * MIB, "memory_bytes": 12 * MIB},
    # A first load: large sorted pieces, few merges; a killed process loses nothing, a power cut may.
    "bulk": {
        "durability": "os",
        "segment_bytes": 256 * MIB,
        "l0_segments": 4,
        "run_count": 16,
        "memory_bytes": 256 * MIB,
    },
    # Every acknowledged write is on the disk.
    "durable": {"durability": "always"},
    # So small that a thousand keys already show segments, runs and merges; nothing happens behind one's back.
    "teach": {
        "threads": 0,
        "segment_bytes": 4 * KIB,
        "table_bytes": 4 * KIB,
        "page_bytes": 512,
        "l0_segments": 2,
        "run_count": 1,
    },
}


def _preset(name: object) -> Overrides:
    for known, fields_of_it in PRESETS.items():
        if known == name:
            return fields_of_it
    raise OptionsError(f"there is no preset {name!r}: choose one of {', '.join(PRESETS)}")


def check(name: str, value: object) -> None:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if name in ("ttl", "fifo_age"):
        if value is not None and not 0 < number <= TTL_MOST:
            wanted = f"a number of seconds above 0 and at most {TTL_MOST} (31 years), or None for ever"
            raise OptionsError(f"{name}={value!r}: it is {wanted}")
        return
    if name == "space_limit":
        if not 1.05 <= number <= 1000:
            raise OptionsError(f"space_limit={value!r}: it is a ratio from 1.05 to 1000")
        return
    if name in WORDS:
        if value not in WORDS[name]:
            raise OptionsError(f"{name}={value!r}: it is one of {', '.join(map(repr, WORDS[name]))}")
        return
    low, high = BOUNDS[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise OptionsError(f"{name}={value!r}: it is a whole number {span(name, low, high)}")
    gap = {"threads": (1, 1), "large_value_bytes": (1, 15)}.get(name, (1, 0))
    if not low <= value <= high or gap[0] <= value <= gap[1]:
        gapped = f"0, or {span(name, gap[1] + 1, high)}"
        wanted = "0 or 2" if name == "threads" else gapped if name == "large_value_bytes" else span(name, low, high)
        raise OptionsError(f"{name}={value!r}: it is {wanted}")


def span(name: str, low: int, high: int) -> str:
    """from 4194304 (4 MiB) to ..."""
    if name == "mode":
        return f"from 0 to {high:#o}; permission bits are written in octal, such as 0o700"
    unit = ((GIB << 10, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")) if "bytes" in name else ()

    def told(number: int) -> str:
        size, word = next(((size, word) for size, word in unit if number >= size), (0, ""))
        return f"{number} ({number / size:,g} {word})" if size else str(number)

    return f"from {told(low)} to {told(high)}"


def alike(unknown: str) -> str:
    """What was meant, perhaps, and what there is."""
    from difflib import get_close_matches

    near = get_close_matches(unknown, Options.__dataclass_fields__, 1)
    known = ", ".join(Options.__dataclass_fields__)
    return f"perhaps {near[0]}? There are {known}" if near else f"there are {known}"


def resolve(options: object, overrides: Mapping[str, Any], temporary: bool) -> dict[str, Any]:
    """The fields a call names, or an Options object changes: called by LSM() with what it was given."""
    if options is None and not overrides:
        return {"durability": "os"} if temporary else {}
    unknown = [name for name in overrides if name not in Options.__dataclass_fields__]
    if unknown:
        raise OptionsError(f"unknown option {', '.join(map(repr, unknown))}: {alike(unknown[0])}")
    named = dict(overrides)
    if isinstance(options, str):
        named = {**_preset(options), **named}
    elif isinstance(options, Options):
        plain = Options()
        given = {field.name: getattr(options, field.name) for field in fields(Options)}
        named = {**{name: value for name, value in given.items() if value != getattr(plain, name)}, **named}
    elif options is not None:
        raise OptionsError(f"options={options!r}: it is an Options or the name of a preset ({', '.join(PRESETS)})")
    replace(Options(), **named)  # checks them
    if temporary:  # nobody will look for it after a power cut
        named.setdefault("durability", "os")
    return named
