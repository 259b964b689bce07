"""Numbers for people. Sizes count in KiB, MiB, GiB of 1024."""

from __future__ import annotations


def size(count: int) -> str:
    if count < 1024:
        return f"{count} B"
    value, units = count / 1024, iter(("KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    while value >= 1000 and unit != "TiB":
        value, unit = value / 1024, next(units)
    return f"{value:.3g} {unit}" if value < 100 else f"{value:,.0f} {unit}"


def count(number: int) -> str:
    return f"{number:,}"


def plural(number: int, word: str) -> str:
    return f"{number:,} {word}" + ("" if number == 1 else "s")


def seconds(value: float) -> str:
    if value < 0.001:
        return f"{value * 1e6:.3g} µs"
    if value < 1:
        return f"{value * 1000:.3g} ms"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def rate(number: float, elapsed: float) -> str:
    return f"{number / elapsed:,.0f}/s" if elapsed > 0 else "-"


def times(part: float, whole: float) -> str:
    """How many times `whole` fits into `part`."""
    return f"{part / whole:.2f}x" if whole else "-"


def lsn(position: int) -> str:
    """A log position: segment:offset."""
    return f"{position >> 32}:{position & 0xFFFFFFFF}"
