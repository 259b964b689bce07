"""Space: what a key space holds, as a dict, with the methods of LSM in the words of their documentation.

Six methods know the dict: now, look, walk, store, erase, cut. All others rest on these, so a transaction is a space
that does these six in its own way (transaction.py).
"""

import math
import operator
from collections import namedtuple

from lsmkv import ABSENT

from .span import EVERYTHING, Span
from .view import View

Cell = namedtuple("Cell", "value expiry")  # expiry: seconds since 1970; math.inf: never

OPERATIONS = {"add": operator.add, "concat": operator.concat, "min": min, "max": max, "or": operator.or_}


class Space:
    def __init__(self, ident, kind, clock, ttl=None, journal=None):
        self.ident, self.kind, self.clock, self.default_ttl = ident, kind, clock, ttl
        self.cells = {}
        self.journal = journal  # (ident, key or Span) of each write, or None

    # ---- what everything rests on ---------------------------------------------------------------

    def now(self):
        """The moment that decides what has expired."""
        return self.clock.time()

    def look(self, key):
        cell = self.cells.get(key)
        return cell if cell and cell.expiry > self.now() else None

    def walk(self, span=EVERYTHING, most=None):
        """(key, cell) in the span's order, at most so many."""
        now, kind = self.now(), self.kind
        found = [(key, cell) for key, cell in self.cells.items() if cell.expiry > now and span.holds(kind, key)]
        found.sort(key=lambda pair: kind.rank(pair[0]), reverse=span.reverse)
        return found[:most]

    def store(self, key, cell):
        self.cells[key] = cell
        self._note(key)

    def erase(self, key):
        self.cells.pop(key, None)
        self._note(key)

    def cut(self, span):
        for key in [key for key in self.cells if span.holds(self.kind, key)]:
            del self.cells[key]
        self._note(span)

    def _note(self, what):
        if self.journal is not None:
            self.journal.append((self.ident, what))

    def expiry(self, ttl):
        """When something written now is gone: `ttl` as put() takes it."""
        if ttl is None:
            ttl = self.default_ttl
        return math.inf if ttl is None or ttl == math.inf else self.clock.time() + ttl

    # ---- one key --------------------------------------------------------------------------------

    def get(self, key, default=None):
        cell = self.look(key)
        return cell.value if cell else default

    def __contains__(self, key):
        return self.look(key) is not None

    def __getitem__(self, key):
        if isinstance(key, slice):
            return self.range(key.start, key.stop)
        cell = self.look(key)
        if not cell:
            raise KeyError(key)
        return cell.value

    def put(self, key, value, *, ttl=None, sync=None):
        self.store(key, Cell(value, self.expiry(ttl)))

    def __setitem__(self, key, value):
        self.put(key, value)

    def delete(self, key, *, sync=None):
        self.erase(key)

    def __delitem__(self, key):
        if isinstance(key, slice):
            self.delete_range(key.start, key.stop)
        elif self.look(key):
            self.erase(key)
        else:
            raise KeyError(key)

    # ---- read, think, write ---------------------------------------------------------------------

    def pop(self, key, *default):
        cell = self.look(key)
        if cell:
            self.erase(key)
            return cell.value
        if not default:
            raise KeyError(key)
        return default[0]

    def popitem(self, *, last=True):
        for key, _ in self.walk(Span(reverse=last), 1):
            return key, self.pop(key)
        raise KeyError

    def setdefault(self, key, default):
        cell = self.look(key)
        if not cell:
            self.put(key, default)
        return cell.value if cell else default

    def add(self, key, value, *, ttl=None):
        if self.look(key):
            return False
        self.put(key, value, ttl=ttl)
        return True

    def discard(self, key):
        return self.pop(key, ABSENT) is not ABSENT

    def compare_and_set(self, key, old, new, *, ttl=None):
        cell = self.look(key)
        if (cell.value if cell else ABSENT) != old:
            return False
        if new is not ABSENT:
            self.put(key, new, ttl=ttl)
        elif cell:
            self.erase(key)
        return True

    def merge(self, key, operand, *, op):
        cell, function = self.look(key), OPERATIONS.get(op, op)
        value = function(cell.value, operand) if cell else operand
        self.store(key, Cell(value, cell.expiry if cell else self.expiry(None)))
        return value

    def incr(self, key, delta=1):
        cell = self.look(key)
        number = 0 if not cell else cell.value
        if cell and self.kind.keeps_text:
            number = int(self.kind.encode(number))
        total = number + delta
        text = str(total) if self.kind.value_name == "str" else b"%d" % total if self.kind.keeps_text else total
        self.store(key, Cell(text, cell.expiry if cell else self.expiry(None)))
        return total

    # ---- expiry ---------------------------------------------------------------------------------

    def ttl(self, key):
        cell = self.look(key)
        if not cell:
            raise KeyError(key)
        return None if cell.expiry == math.inf else max(0.0, cell.expiry - self.clock.time())

    def touch(self, key, ttl):
        cell = self.look(key)
        if cell:
            self.put(key, cell.value, ttl=ttl)
        return cell is not None

    def persist(self, key):
        return self.touch(key, math.inf)

    # ---- many keys ------------------------------------------------------------------------------

    def get_many(self, keys, default=None):
        return [self.get(key, default) for key in keys]

    def update(self, source):
        for key, value in dict(source).items() if isinstance(source, dict) else source:
            self[key] = value

    set_many = update

    def __ior__(self, source):
        self.update(source)
        return self

    def delete_many(self, keys):
        for key in keys:
            self.delete(key)

    def delete_range(self, start, stop, *, sync=None):
        span = Span(start, stop)
        if not span.is_empty(self.kind):
            self.cut(span)

    def clear(self):
        self.cut(EVERYTHING)

    # ---- order ----------------------------------------------------------------------------------

    def __len__(self):
        return len(self.walk())

    def __bool__(self):
        return bool(self.walk(EVERYTHING, 1))

    def __iter__(self):
        return (key for key, _ in self.walk())

    def keys(self):
        return dict(self.items()).keys()

    def values(self):
        return [value for _, value in self.items()]

    def items(self):
        return [(key, cell.value) for key, cell in self.walk()]

    def range(self, start=None, stop=None, **how):
        return View(self, Span(start, stop, **how))

    def beginning(self, begins):
        """prefix(): the kind knows which keys begin with what (Kind.prefix)."""
        return View(self, Span(begins=begins))

    def _first_of(self, span):
        return next(((key, cell.value) for key, cell in self.walk(span, 1)), None)

    def first(self):
        return self._first_of(EVERYTHING)

    def last(self):
        return self._first_of(Span(reverse=True))

    def floor(self, key):
        return self._first_of(Span(stop=key, include_stop=True, reverse=True))

    def lower(self, key):
        return self._first_of(Span(stop=key, reverse=True))

    def ceiling(self, key):
        return self._first_of(Span(start=key))

    def higher(self, key):
        return self._first_of(Span(start=key, include_start=False))


class FrozenSpace(Space):
    """As a snapshot shows it: what there was, at the time there was."""

    def __init__(self, live):
        super().__init__(live.ident, live.kind, live.clock)
        self.cells, self.taken = dict(live.cells), live.now()

    def now(self):
        return self.taken
