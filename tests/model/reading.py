"""Reading: single keys, the nearest ones, ranges with every bound, cursors, values in place."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from .game import BOUND, KEY, WHERE, Game

FLAG = st.booleans()


class Reading(Game):
    @rule(where=WHERE, k=KEY)
    def get(self, where, k):
        mirror = self.readable(where)
        key = mirror.kind.key(k)
        self.same(mirror, lambda d: [d.get(key), d.get(key, 7), key in d])
        self.same(mirror, lambda d: d[key])

    @rule(where=WHERE, wanted=st.lists(KEY, max_size=40))
    def get_many(self, where, wanted):
        mirror = self.readable(where)
        keys = [mirror.kind.key(k) for k in wanted]
        self.same(mirror, lambda d: d.get_many(keys, 7))

    @rule(where=WHERE, k=KEY)
    def nearest(self, where, k):
        mirror = self.readable(where)
        key = mirror.kind.key(k)
        self.same(mirror, lambda d: [d.floor(key), d.lower(key), d.ceiling(key), d.higher(key)])

    @rule(where=WHERE)
    def ends(self, where):
        self.same(self.readable(where), lambda d: [d.first(), d.last(), bool(d)])

    @rule(where=WHERE)
    def everything(self, where):
        self.same(self.readable(where), lambda d: [list(d), list(d.items()), list(d.values()), len(d)])

    @rule(where=WHERE, start=BOUND, stop=BOUND, low=FLAG, high=FLAG, reverse=FLAG, limit=st.none() | st.integers(0, 9))
    def scan(self, where, start, stop, low, high, reverse, limit):
        mirror = self.readable(where)
        start, stop = mirror.kind.key(start), mirror.kind.key(stop)

        def view(d):
            whole = d.range(start, stop, include_start=low, include_stop=high, reverse=reverse)
            return whole if limit is None else whole.limit(limit)

        self.same(mirror, lambda d: list(view(d).items()))
        self.same(mirror, lambda d: [view(d).count(), view(d).first(), view(d).last(), bool(view(d))])
        self.same(mirror, lambda d: [list(view(d)), list(reversed(view(d))), list(view(d).values())])

    @rule(where=WHERE, start=BOUND, stop=BOUND, inner=st.tuples(BOUND, BOUND), k=KEY)
    def narrow(self, where, start, stop, inner, k):
        mirror = self.readable(where)
        start, stop, low, high, key = map(mirror.kind.key, [start, stop, *inner, k])
        self.same(mirror, lambda d: list(d[start:stop][low:high].items()))
        self.same(mirror, lambda d: key in d[start:stop])
        self.same(mirror, lambda d: d[start:stop][low:high][key])

    @rule(where=WHERE, start=BOUND, stop=BOUND, reverse=FLAG, size=st.integers(1, 20))
    def pieces(self, where, start, stop, reverse, size):
        mirror = self.readable(where)
        start, stop = mirror.kind.key(start), mirror.kind.key(stop)
        self.same(mirror, lambda d: list(d.range(start, stop, reverse=reverse).chunks(size)))
        view = mirror.subject.range(start, stop, reverse=reverse)
        parts = [list(part) for part in view.split(size)]
        self.same(mirror, lambda d: list(d.range(start, stop, reverse=reverse)))
        assert [key for part in parts for key in part] == list(view)
        sizes = {len(part) for part in parts}
        assert len(parts) <= size and max(sizes) - min(sizes) <= 1

    @rule(where=WHERE, k=KEY)
    def prefix(self, where, k):
        mirror = self.readable(where)
        wanted = mirror.kind.prefix(k)
        if wanted:
            prefix, begins = wanted
            found = list(mirror.subject.prefix(prefix).items())
            assert found == mirror.model.beginning(begins).items()

    @rule(where=WHERE, wanted=st.lists(KEY, max_size=12))
    def as_a_set(self, where, wanted):
        mirror = self.readable(where)
        keys = {mirror.kind.key(k) for k in wanted}
        self.same(mirror, lambda d: [d.keys() & keys, keys - d.keys(), d.keys().isdisjoint(keys), keys <= d.keys()])
        self.same(mirror, lambda d: [d.keys() - keys, d.keys() | keys, d.keys() ^ keys])

    @rule(where=WHERE, k=KEY)
    def time_to_live(self, where, k):
        mirror = self.readable(where)
        key = mirror.kind.key(k)
        self.same(mirror, lambda d: d.ttl(key))

    @rule(where=WHERE, k=KEY)
    def value_in_place(self, where, k):
        mirror = self.readable(where)
        key = mirror.kind.key(k)
        value = mirror.model.get(key)
        view = mirror.subject.get_view(key)
        assert (view is None) == (key not in mirror.model)
        if view is not None:
            assert view.readonly and view == mirror.kind.encode(value)
