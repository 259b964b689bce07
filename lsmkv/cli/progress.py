"""One line on a terminal that says how far a long job is, how fast, and how long it will still take.

Shown only when stderr is a terminal, and only after half a second.
"""

from __future__ import annotations

import os
import sys
import time

from lsmkv.report.numbers import rate, seconds, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


DELAY, EVERY = 0.5, 0.1


class Progress:
    """with Progress("import", total, "lines") as p: p.update(done, counted)

    done goes up to total (None: unknown); counted, when given, is what the rate counts.
    """

    def __init__(self, label: str, total: int | None = None, unit: str = "", quiet: bool = False) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.live = not quiet and sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self.began = time.monotonic()
        self.due = self.began + DELAY
        self.shown = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: Any) -> None:
        self.clear()

    def update(self, done: int, counted: int | None = None) -> None:
        now = time.monotonic()
        if not self.live or now < self.due:
            return
        self.due = now + EVERY
        width = terminal_width()
        text = line(self.label, done, self.total, done if counted is None else counted, self.unit, now - self.began)
        sys.stderr.write("\r" + text[: width - 1].ljust(width - 1))
        sys.stderr.flush()
        self.shown = True

    def callback(self, done: int, total: int | None = None, unit: str = "", phase: str = "") -> None:
        """The shape in which the store reports: compact(progress=...), verify(progress=...)."""
        self.total, self.unit = total or self.total, unit or self.unit
        self.update(done)

    def clear(self) -> None:
        if self.shown:
            sys.stderr.write("\r" + " " * (terminal_width() - 1) + "\r")
            sys.stderr.flush()
            self.shown = False


def line(label: str, done: int, total: int | None, counted: int, unit: str, elapsed: float) -> str:
    """import words.txt  [######------]  52 %  1,234,567 lines  410,000/s  ETA 3.1 s"""
    amount = size(counted) if unit == "bytes" else f"{counted:,} {unit}"
    speed = f"{size(int(counted / elapsed))}/s" if unit == "bytes" and elapsed > 0 else rate(counted, elapsed)
    if not total:
        return f"{label}  {amount}  {speed}"
    part = min(done / total, 1.0)
    bar = "#" * round(part * 20)
    left = f"  ETA {seconds(elapsed * (1 - part) / part)}" if part > 0 else ""
    return f"{label}  [{bar:-<20}] {part:4.0%}  {amount}  {speed}{left}"


def terminal_width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
