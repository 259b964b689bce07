"""Holding: snapshots, iterators, cursors and lent values stay what they were, whatever happens to the store."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from .game import BOUND, KEY, WHERE, Game
from .span import Span
from .transaction import TransactionSpace
from .view import Cursor
from .world import outcome

MOST = 4  # of each kind, at a time

MOVES = st.lists(
    st.tuples(st.sampled_from(["first", "last", "next", "prev", "next", "prev"]))
    | st.tuples(st.sampled_from(["seek", "seek_for_prev"]), KEY),
    min_size=1,
    max_size=12,
)


class Holding(Game):
    # ---- snapshots ------------------------------------------------------------------------------

    @rule()
    def freeze(self):
        self.world.freeze()
        if len(self.world.snapshots) > MOST:
            self.world.snapshots.pop(0).subject.close()
            self.world.scans.clear()  # some were of it, and end with it
            self.world.cursors.clear()

    @rule()
    def look_into_the_past(self):
        for subject, model, _ in self.world.frozen():
            assert list(subject.items()) == model.items() and len(subject) == len(model)

    # ---- iterators ------------------------------------------------------------------------------

    @rule(where=WHERE, start=BOUND, stop=BOUND, reverse=st.booleans())
    def begin_a_scan(self, where, start, stop, reverse):
        mirror = self.readable(where)
        start, stop = mirror.kind.key(start), mirror.kind.key(stop)
        span = Span(start, stop, reverse=reverse)
        if isinstance(mirror.model, TransactionSpace):
            expected = mirror.model.glance(span)
        else:
            expected = mirror.model.range(start, stop, reverse=reverse).items()
        self.world.scans.append((iter(mirror.subject.range(start, stop, reverse=reverse).items()), expected))
        del self.world.scans[:-MOST]

    @rule(steps=st.integers(1, 30))
    def go_on_scanning(self, steps):
        for scan, expected in self.world.scans:
            for _ in range(steps):
                assert next(scan, None) == (expected.pop(0) if expected else None)

    # ---- cursors --------------------------------------------------------------------------------

    @rule(where=WHERE)
    def place_a_cursor(self, where):
        mirrors = self.world.live() + self.world.frozen()
        subject, model, kind = mirrors[where % len(mirrors)]
        self.world.cursors.append((subject.cursor(), Cursor(model.items(), kind.rank), kind))
        for cursor, _, _ in self.world.cursors[:-MOST]:
            cursor.close()
        del self.world.cursors[:-MOST]

    @rule(which=st.integers(0, MOST - 1), moves=MOVES)
    def move_a_cursor(self, which, moves):
        if which >= len(self.world.cursors):
            return
        cursor, model, kind = self.world.cursors[which]
        for name, *keys in moves:
            keys = [kind.key(k) for k in keys]
            assert getattr(cursor, name)(*keys) == getattr(model, name)(*keys)
            assert cursor.valid == model.valid
            assert outcome(lambda c: c.item, cursor) == outcome(lambda c: c.item, model)

    # ---- lent values ----------------------------------------------------------------------------

    @rule(where=WHERE, k=KEY)
    def lend(self, where, k):
        mirror = self.readable(where)
        key = mirror.kind.key(k)
        value = mirror.model.get(key)
        view = mirror.subject.get_view(key)
        if view is not None:
            self.world.lent.append((view, mirror.kind.encode(value)))
            del self.world.lent[: -2 * MOST]

    @rule()
    def lent_values_stay(self):
        for view, value in self.world.lent:
            assert view == value
