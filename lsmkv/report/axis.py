"""Where keys lie between left (0) and right (1) in a picture of tables.

Keys have no distances, so the axis makes some: between two neighbouring bounds of tables it is as wide as records are
estimated to lie there, as if every table spread its records evenly from its smallest key to its largest.

    run 1    |--------- 20 records ---------|
    run 2    |-- 90 --|  |-- 90 --|  |- 45 -|
    bounds   a        d  f        m  p      t

"Evenly" takes keys for numbers: the eight bytes behind what all of them begin with. The bounds themselves are exact
and in order, whatever the estimate is worth, and no stretch gets so narrow that it cannot be seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate, pairwise
from os.path import commonprefix
from typing import Any

Place = Mapping[str, Any]  # the fields of a Level

ENDS = 1.4  # the first and the last name are not centred
LEAST = 1 / 16  # of an average stretch
NEAREST = 2.0**-30  # of the whole distance: two keys that the eight bytes do not tell apart


class Axis:
    """axis[key] is the place of a bound; `bounds` are all of them, in order."""

    def __init__(self, tables: Iterable[Place]) -> None:
        tables = list(tables)
        self.bounds: list[bytes] = sorted({table[side] for table in tables for side in ("key_min", "key_max")})
        widths = stretches(tables, self.bounds)
        least = sum(widths) / len(widths) * LEAST if widths else 0
        places = list(accumulate((max(width, least) for width in widths), initial=0.0))
        whole = places[-1] or 1
        self.places = dict(zip(self.bounds, (place / whole for place in places), strict=False))

    def __getitem__(self, key: bytes) -> float:
        return self.places[key]

    def ticks(self, apart: float) -> list[bytes]:
        """Bounds to be named: the first, the last, and some between, at least `apart` from one another."""
        if len(self.bounds) < 2:
            return list(self.bounds)
        chosen = [self.bounds[0]]
        for key in self.bounds[1:-1]:
            if self[key] - self[chosen[-1]] >= apart and min(self[key], 1 - self[key]) >= ENDS * apart:
                chosen.append(key)
        return [*chosen, self.bounds[-1]]


def stretches(tables: list[Place], bounds: list[bytes]) -> list[float]:
    """Records estimated between each bound and the next: density times distance, in one pass from left to right."""
    at = distances(bounds)
    rising = dict.fromkeys(bounds, 0.0)
    for table in tables:
        low, high = table["key_min"], table["key_max"]
        if low < high:
            density = max(table["records"], 1) / (at[high] - at[low])
            rising[low] += density
            rising[high] -= density
    density = accumulate(rising.values())
    return [max(here, 0.0) * (at[high] - at[low]) for here, (low, high) in zip(density, pairwise(bounds), strict=False)]


def distances(bounds: list[bytes]) -> dict[bytes, float]:
    """Bounds as rising numbers."""
    skip = len(common_prefix(bounds))
    numbers = [int.from_bytes(key[skip : skip + 8].ljust(8, b"\0"), "big") for key in bounds]
    whole = (numbers[-1] - numbers[0] if numbers else 0) or 1
    steps = (max((high - low) / whole, NEAREST) for low, high in pairwise(numbers))
    return dict(zip(bounds, accumulate(steps, initial=0.0), strict=False))


def common_prefix(bounds: list[bytes]) -> bytes:
    """What all of them begin with; they are in order."""
    return commonprefix([bounds[0], bounds[-1]]) or b"" if bounds else b""
