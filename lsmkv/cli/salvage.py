"""What can still be read of a damaged store: pairs in key order, with gaps.

    keys   | a b c ####### k l m ##### r s |     #  a damaged place: keys from after c to before k raise
                 |  |  |  |
           last -'  1  2  4   8 ...              probes behind the last good key, each twice as far as the one before
                       `--'                      then halved, to the first place that can be read

Keys that lie between two probes are looked for as long as these fail at different places; where both fail at the same
file and offset, so does everything between them. A probe reads one key, so a gap costs some hundred seeks.

What a gap holds is not shown from older tables either: the key may have been overwritten, or deleted, where nothing can
be read any more.
"""

from __future__ import annotations

from collections import namedtuple

import lsmkv
from lsmkv.cli import formats
from lsmkv.cli.exits import DAMAGED, DONE, sentence
from lsmkv.report.numbers import plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, TypeAlias

    from lsmkv import LSM, Snapshot
    from lsmkv.cli.output import Output

    Source: TypeAlias = LSM[bytes, bytes] | Snapshot[bytes, bytes]
    Probe: TypeAlias = tuple[
        bool, Any
    ]  # whether there was an answer; the key, or None, or else the place of the damage


SHOWN = 20  # gaps that are told one by one
WIDTH = 64  # bytes of a key that are told apart; keys that share so many at the edge of a gap are in it
END = 1 << 8 * WIDTH

# after, before: the keys beside it, None at an end; after == before: the one key whose value cannot be read
Gap = namedtuple("Gap", "after before error")


def pairs(
    source: Source, lost: Callable[[Gap], object], start: bytes | None = None, stop: bytes | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """Every pair that can be read from start on and before stop; lost() is called for each gap when it is met."""
    at, last = start or b"", None
    while True:
        try:
            for key, value in source.range(at, stop).items():
                yield key, value
                last, at = key, key + b"\0"
            return
        except lsmkv.CorruptionError as error:
            damage = error
        readable, found = probe(source, at, stop)
        if readable:  # the key is there, and its value cannot be read
            if found is None:
                raise damage
            lost(Gap(found, found, damage))
            last, at = found, found + b"\0"
            continue
        found = behind(source, at, stop, found)
        lost(Gap(last, found, damage))
        if found is None:
            return
        at = found


def probe(source: Source, at: bytes, stop: bytes | None) -> Probe:
    try:
        return True, next(iter(source.range(at, stop)), None)
    except lsmkv.CorruptionError as error:
        return False, (error.file, error.offset)


def behind(source: Source, at: bytes, stop: bytes | None, place: Any) -> bytes | None:
    """The first key behind the damage met at `at`, which was told to be at `place`; None: nothing more can be read."""
    low, step = int.from_bytes(at[:WIDTH].ljust(WIDTH, b"\0"), "big"), 1

    def ask(at: int, zeros: int = 0) -> Probe:
        """Of the keys that are this number, the shortest comes first: the one without zeros at its end."""
        if at >= END:
            return True, None
        return probe(source, at.to_bytes(WIDTH, "big").rstrip(b"\0") + bytes(zeros), stop)

    while True:
        high = min(low + step, END)
        answer = ask(high)
        found = between(ask, low, place, high, answer)
        if found is not None:
            return found[0]
        low, place, step = high, answer[1], step * 2


def between(ask: Callable[..., Probe], low: int, place: Any, high: int, answer: Probe) -> tuple[bytes | None] | None:
    """(the first key that can be read behind low, where `place` is damaged,), when that is possible up to high."""
    ends = [(high, answer)]
    while ends:
        high, (readable, what) = ends[-1]
        if high - low > 1 and (readable or what != place):
            middle = (low + high) // 2
            ends.append((middle, ask(middle)))
            continue
        if readable:
            same = (ask(low, zeros) for zeros in range(1, WIDTH))
            return (next((key for there, key in same if there), what),)
        ends.pop()
        low, place = high, what
    return None


# ---- what is told -----------------------------------------------------------------------------------


class Lost:
    """Tells of each gap once, and counts them. space and key_format: of what is being read, for the words."""

    def __init__(self, command: str, out: Output) -> None:
        self.command, self.out = command, out
        self.space: str | None = None
        self.key_format = "utf8"
        self.gaps: list[dict[str, Any]] = []
        self.met: set[tuple[str | None, bytes | None, bytes | None]] = set()
        self.undated = 0

    def __call__(self, gap: Gap) -> None:
        met = (self.space, gap.after, gap.before)
        if met in self.met:  # a dump in the format mdb reads twice
            return
        self.met.add(met)
        one = {"namespace": self.space, "after": self.shown(gap.after), "before": self.shown(gap.before)}
        one |= {"file": gap.error.file, "offset": gap.error.offset}
        self.gaps.append(one)
        if len(self.gaps) <= SHOWN:
            within = "" if self.space is None else f" of namespace {self.space}"
            self.note(f"left out: {words(one)}{within}: {sentence(gap.error)}")

    def names(self, error: lsmkv.CorruptionError) -> None:
        """The names of the namespaces cannot be read."""
        self.space = "*"
        self(Gap(None, None, error))

    def undate(self) -> None:
        """A pair was written without the time at which it expires."""
        self.undated += 1

    def end(self, source: str) -> int:
        """The exit code, and a last word."""
        if self.undated:
            keys = plural(self.undated, "key")
            self.note(f"{keys} without the time to expire, which cannot be read: without any they live for ever")
        if self.gaps:
            more = len(self.gaps) - SHOWN
            told = f" ({more:,} of them not told)" if more > 0 else ""
            self.note(f"{source}: {plural(len(self.gaps), 'gap')}{told}; all other keys were written")
        return DAMAGED if self.gaps or self.undated else DONE

    def document(self) -> dict[str, Any]:
        """For --json; null is an end."""
        return {"left_out": self.gaps, "without_expiry": self.undated}

    def note(self, text: str) -> None:
        if not self.out.json:
            self.out.note(f"lsmkv {self.command}: {text}")

    def shown(self, key: bytes | None) -> str | None:
        return None if key is None else formats.told(self.key_format, key)


def words(gap: Mapping[str, Any]) -> str:
    after, before = gap["after"], gap["before"]
    if after is not None and after == before:
        return f"the value of key '{after}'"
    sides = [f"{word} '{key}'" for word, key in (("after", after), ("before", before)) if key is not None]
    return " ".join(["all keys", " and ".join(sides)]).strip()
