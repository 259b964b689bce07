"""Transaction: what a transaction sees, what it remembers, and whether its commit must fail.

base        every key space as it was at the beginning, at that moment's time
writes      its own, in order, kept for the commit
reads       keys it looked up, unless its own writes answered; spans as far as they were walked, and to the end
            (an iterator fetches ahead, so what lies between the two may count as read or not)
"""

from .space import Space
from .span import EVERYTHING, NOTHING, Span


class TransactionSpace(Space):
    def __init__(self, transaction, live):
        super().__init__(live.ident, live.kind, live.clock, live.default_ttl)
        self.transaction = transaction
        self.cells = dict(live.cells)
        self.base = dict(live.cells)

    def now(self):
        return self.transaction.began

    def look(self, key):
        if not any(self._covers(what, key) for what, _ in self._writes()):
            self.transaction.keys.add((self.ident, key))
        return super().look(key)

    def walk(self, span=EVERYTHING, most=None):
        found = super().walk(span, most)
        seen = span
        if len(found) == most:  # it stopped there
            seen = span.until(found[-1][0]) if found else NOTHING
        self.transaction.spans.append((self.ident, seen, span))
        return found

    def glance(self, span):
        """What an iterator over the span would give; how far it gets nobody knows."""
        self.transaction.spans.append((self.ident, NOTHING, span))
        return [(key, cell.value) for key, cell in super().walk(span)]

    def store(self, key, cell):
        self.cells[key] = cell
        self.transaction.writes.append((self.ident, key, cell))

    def erase(self, key):
        self.cells.pop(key, None)
        self.transaction.writes.append((self.ident, key, None))

    def cut(self, span):
        super().cut(span)
        self.transaction.writes.append((self.ident, span, None))

    def rebuild(self):
        """From the base, after writes were undone."""
        self.cells = dict(self.base)
        for what, cell in self._writes():
            apply(self, what, cell, Space)

    def _writes(self):
        return [(what, cell) for ident, what, cell in self.transaction.writes if ident == self.ident]

    def _covers(self, what, key):
        return what.holds(self.kind, key) if isinstance(what, Span) else what == key


def apply(space, what, cell, by):
    """One write, done by the methods of the class `by`."""
    if isinstance(what, Span):
        by.cut(space, what)
    elif cell is None:
        by.erase(space, what)
    else:
        by.store(space, what, cell)


class Transaction:
    def __init__(self, spaces, journal):
        self.began, self.since = spaces[0].now(), len(journal)
        self.journal = journal
        self.keys, self.spans, self.writes = set(), [], []
        self.savepoints = []  # how many writes there were
        self.spaces = {space.ident: TransactionSpace(self, space) for space in spaces}

    def save(self):
        self.savepoints.append(len(self.writes))

    def keep(self):
        self.savepoints.pop()

    def undo(self):
        del self.writes[self.savepoints.pop() :]
        for space in self.spaces.values():
            space.rebuild()

    def commit(self, spaces):
        live = {space.ident: space for space in spaces}
        for ident, what, cell in self.writes:
            apply(live[ident], what, cell, Space)

    # ---- conflicts ------------------------------------------------------------------------------

    def fate(self, spaces):
        """ "commits", "conflicts", or "either": a value that went and came back, a walk that may have fetched that far,
        or a record that expired and was merged away."""
        if not self.writes:
            return "commits"
        fates = {self._fate_in(space) for space in spaces if space.ident in self.spaces}
        return "conflicts" if "conflicts" in fates else "either" if "either" in fates else "commits"

    def _fate_in(self, live):
        mine = self.spaces[live.ident]
        touched = [what for ident, what in self.journal[self.since :] if ident == live.ident]
        concerned = {key for key in {**mine.base, **live.cells} if self._may_have_read(live, key)}
        for key in concerned:
            if self._has_read(live, key) and self._value(mine.base, key) != self._value(live.cells, key):
                return "conflicts"
        if any(self._value(mine.base, key) and mine.base[key].expiry <= live.now() for key in concerned):
            return "either"
        return "either" if any(self._may_meet(live, what) for what in touched) else "commits"

    def _value(self, cells, key):
        """What stands there at the time of the beginning, in a box; None: nothing."""
        cell = cells.get(key)
        return [cell.value] if cell and cell.expiry > self.began else None

    def _has_read(self, space, key):
        return (space.ident, key) in self.keys or any(
            ident == space.ident and seen.holds(space.kind, key) for ident, seen, _ in self.spans
        )

    def _may_have_read(self, space, key):
        return (space.ident, key) in self.keys or any(
            ident == space.ident and whole.holds(space.kind, key) for ident, _, whole in self.spans
        )

    def _may_meet(self, space, what):
        if not isinstance(what, Span):
            return self._may_have_read(space, what)
        return any(ident == space.ident for ident, *_ in [*self.keys, *self.spans])
