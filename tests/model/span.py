"""Span: a range of keys, as range() describes it; narrowed, and by prefix, too."""

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Span:
    start: object = None
    stop: object = None
    include_start: bool = True
    include_stop: bool = False
    reverse: bool = False
    begins: Callable | None = None  # which keys begin with the prefix
    also: tuple = ()  # spans that must hold the key too

    def holds(self, kind, key):
        at = kind.rank(key)
        if self.start is not None:
            start = kind.rank(self.start)
            if at < start or (at == start and not self.include_start):
                return False
        if self.stop is not None:
            stop = kind.rank(self.stop)
            if at > stop or (at == stop and not self.include_stop):
                return False
        return (not self.begins or self.begins(key)) and all(span.holds(kind, key) for span in self.also)

    def is_empty(self, kind):
        """Deleting it writes nothing: its bounds, start <= key < stop, leave no room for any key."""
        if self.stop is None:
            return False
        return self.stop in ("", b"") if self.start is None else kind.rank(self.start) >= kind.rank(self.stop)

    def narrowed(self, start, stop):
        return replace(self, also=(*self.also, Span(start, stop)))

    def reversed(self):
        return replace(self, reverse=not self.reverse)

    def until(self, key):
        """The part of it that a walk has seen when it stands at `key`."""
        edge = Span(start=key) if self.reverse else Span(stop=key, include_stop=True)
        return replace(self, also=(*self.also, edge))


EVERYTHING = Span()
NOTHING = Span(begins=lambda key: False)
