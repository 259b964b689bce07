"""What a rectangle's colour says: one of five classes of a measured quantity, and the legend of them.

size         bytes a file, as a part of the largest
age          log segments between the newest record of the store and the newest one in it
tombstones   deletions among its records
"""

from __future__ import annotations

from collections.abc import Sequence

from lsmkv.report.axis import Place
from lsmkv.report.numbers import size
from lsmkv.report.theme import HEAT, STEPS

SHARES = (0.0, 0.01, 0.05, 0.20)  # upper ends of the first four classes of deletions


def deletions(places: Sequence[Place]) -> int:
    return sum(place["tombstones"] + place["range_deletes"] for place in places)


class Heat:
    """heat.step(places) is 0 to 4 for a rectangle that shows them."""

    def __init__(self, color: str, places: Sequence[Place]) -> None:
        if color not in HEAT:
            raise ValueError(f"color={color!r}: it is one of {', '.join(map(repr, HEAT))}")
        self.color = color
        self.largest = max((place["bytes"] for place in places), default=0) or 1
        self.newest = max((place["lsn_max"] >> 32 for place in places), default=0)
        self.oldest_age = max((self.age([place]) for place in places), default=0)

    def age(self, places: Sequence[Place]) -> int:
        return int(self.newest - max(place["lsn_max"] >> 32 for place in places))

    def step(self, places: Sequence[Place]) -> int:
        if self.color == "tombstones":
            share = deletions(places) / max(sum(place["records"] for place in places), 1)
            return sum(share > end for end in SHARES)
        if self.color == "age":
            return STEPS - 1 - fifth(self.age(places), self.oldest_age)
        mean = sum(place["bytes"] for place in places) / len(places)
        return max(fifth(mean, self.largest), 0)

    def value(self, places: Sequence[Place]) -> str:
        """The quantity itself, in few characters."""
        if self.color == "tombstones":
            return percent(deletions(places), sum(place["records"] for place in places))
        if self.color == "age":
            return "newest" if self.age(places) == 0 else f"{self.age(places):,} ago"
        return size(sum(place["bytes"] for place in places))

    def legend(self) -> tuple[str, list[tuple[int, str]]]:
        """What is coloured, and (class, its words) as they are to be read."""
        ends = range(1, STEPS + 1)
        if self.color == "tombstones":
            return "deletions among the records", list(enumerate(["none", "to 1%", "to 5%", "to 20%", "more"]))
        if self.color == "age":
            words = [f"to {self.oldest_age * end // STEPS:,}" for end in ends]
            return "log segments since the newest record", list(zip(reversed(range(STEPS)), words, strict=True))
        return "size of a file", [(end - 1, f"to {size(round(self.largest * end / STEPS))}") for end in ends]


def fifth(value: float, most: float) -> int:
    """0 for the lowest fifth of `most`, 4 for the highest; an upper end belongs to its fifth."""
    if value <= 0 or most <= 0:
        return 0
    return min(-int(-value * STEPS // most), STEPS) - 1


def percent(part: int, whole: int) -> str:
    share = 100 * part / whole if whole else 0.0
    return "0%" if not part else "<1%" if share < 1 else f"{share:.0f}%"
