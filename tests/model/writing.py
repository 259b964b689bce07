"""Writing: one key, many keys, ranges, batches."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from .game import BOUND, KEY, PAIRS, SMALL_VALUE, TTL, VALUE, WHERE, Game

BATCH = st.lists(
    st.tuples(WHERE, st.tuples(st.just("put"), KEY, SMALL_VALUE, TTL))
    | st.tuples(WHERE, st.tuples(st.just("delete"), KEY))
    | st.tuples(WHERE, st.tuples(st.just("delete_range"), BOUND, BOUND))
    | st.tuples(WHERE, st.tuples(st.just("merge"), KEY, SMALL_VALUE, st.sampled_from(["max", "concat", "or"]))),
    max_size=20,
)


class Writing(Game):
    @rule(where=WHERE, k=KEY, v=VALUE)
    def assign(self, where, k, v):
        mirror = self.writable(where)
        key, value = mirror.kind.key(k), mirror.kind.value(v)
        self.same(mirror, lambda d: d.__setitem__(key, value))

    @rule(where=WHERE, k=KEY, v=VALUE, ttl=TTL, sync=st.sampled_from([None, False, True]))
    def put(self, where, k, v, ttl, sync):
        mirror = self.writable(where)
        key, value = mirror.kind.key(k), mirror.kind.value(v)

        def act(d):
            d.put(key, value, ttl=ttl, sync=sync)

        at_once = mirror in self.world.live()  # a transaction's writes are as its commit is told
        self.same(mirror, act, sync if at_once else None)

    @rule(where=WHERE, k=KEY)
    def delete(self, where, k):
        mirror = self.writable(where)
        key = mirror.kind.key(k)
        self.same(mirror, lambda d: [None for _ in [d.delete(key)]])

    @rule(where=WHERE, k=KEY)
    def remove(self, where, k):
        mirror = self.writable(where)
        key = mirror.kind.key(k)
        self.same(mirror, lambda d: d.__delitem__(key))

    @rule(where=WHERE, start=BOUND, stop=BOUND)
    def delete_a_slice(self, where, start, stop):
        mirror = self.writable(where)
        key = mirror.kind.key
        self.same(mirror, lambda d: d.__delitem__(slice(key(start), key(stop))))

    @rule(where=WHERE, start=KEY, width=st.integers(1, 8))
    def delete_a_short_range(self, where, start, width):
        mirror = self.writable(where)
        key = mirror.kind.key
        start, stop = sorted([key(start), key((start + width) % 64)], key=mirror.kind.rank)

        def act(d):
            d.delete_range(start, stop)

        self.same(mirror, act)

    @rule(where=WHERE)
    def clear(self, where):
        self.same(self.writable(where), lambda d: d.clear())

    @rule(where=WHERE, source=PAIRS, how=st.sampled_from(["update", "set_many", "from a dict", "|="]))
    def update(self, where, source, how):
        mirror = self.writable(where)
        pairs = [(mirror.kind.key(k), mirror.kind.value(v)) for k, v in source]

        def act(d):
            if how == "|=":
                d |= pairs
            elif how == "from a dict":
                d.update(dict(pairs))
            else:
                getattr(d, how)(iter(pairs))

        self.same(mirror, act)

    @rule(where=WHERE, gone=st.lists(KEY, max_size=30))
    def delete_many(self, where, gone):
        mirror = self.writable(where)
        keys = [mirror.kind.key(k) for k in gone]
        self.same(mirror, lambda d: d.delete_many(keys))

    @rule(writes=BATCH, fails=st.booleans(), sync=st.sampled_from([None, True]))
    def batch(self, writes, fails, sync):
        """Across namespaces: whole, or not at all."""
        live = self.world.live()
        writes = [(live[where % len(live)], write) for where, write in writes]
        possible = not fails and self.world.all_or_nothing(
            lambda: [self._into(mirror.model, mirror.kind, *write) for mirror, write in writes]
        )
        try:
            with self.world.db.batch(sync=sync) as batch:
                for mirror, write in writes:
                    self._into(batch.namespace(mirror.subject), mirror.kind, *write)
                if fails:
                    raise ZeroDivisionError
        except (ZeroDivisionError, TypeError):
            assert not possible
        else:
            assert possible
        self.world.note(sync if possible and writes else None)

    @staticmethod
    def _into(target, kind, what, k, *more):
        if what == "put":
            v, ttl = more
            target.put(kind.key(k), kind.value(v), ttl=ttl)
        elif what == "merge":
            v, op = more
            target.merge(kind.key(k), kind.value(v), op=op)
        else:
            getattr(target, what)(*map(kind.key, [k, *more]))
