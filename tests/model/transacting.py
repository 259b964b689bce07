"""Transacting: transactions begin, nest, and end among everything else that goes on. The other rules meet them by
`where`; `race` is a short life of one, with others in between."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

import lsmkv

from .game import KEY, SMALL_VALUE, WHERE, Game
from .world import leave

MOST = 2
WHICH = st.integers(0, MOST - 1)

some_are_open = precondition(lambda self: self.world and self.world.transactions)
there_is_room = precondition(lambda self: self.world and len(self.world.transactions) < MOST)

# What a race is made of: a store or the transaction, and two keys and a value.
ACTS = {
    "get": lambda d, a, b, value: d.get(a),
    "in": lambda d, a, b, value: a in d,
    "get_many": lambda d, a, b, value: d.get_many([a, b]),
    "walk": lambda d, a, b, value: list(d[a:b].items()),
    "count": lambda d, a, b, value: d[a:b].count(),
    "first": lambda d, a, b, value: d[a:].first(),
    "floor": lambda d, a, b, value: d.floor(a),
    "len": lambda d, a, b, value: len(d),
    "put": lambda d, a, b, value: d.__setitem__(a, value),
    "put both": lambda d, a, b, value: d.update({a: value, b: value}),
    "put for a while": lambda d, a, b, value: [None for _ in [d.put(a, value, ttl=3)]],
    "delete": lambda d, a, b, value: d.delete_many([a]),
    "delete a range": lambda d, a, b, value: d.__delitem__(slice(a, b)),
    "pop": lambda d, a, b, value: d.pop(a, None),
    "popitem": lambda d, a, b, value: d.popitem(),
    "add": lambda d, a, b, value: d.add(a, value),
}
NEAR = st.integers(0, 7)  # few keys, so that they meet
DEEDS = st.lists(st.tuples(WHERE, st.sampled_from(sorted(ACTS)), NEAR, NEAR, SMALL_VALUE), min_size=1, max_size=5)


class Transacting(Game):
    def transaction(self, which):
        return self.world.transactions[which % len(self.world.transactions)]

    @there_is_room
    @rule()
    def begin(self):
        self.world.begin()

    @some_are_open
    @rule(which=WHICH)
    def open_a_savepoint(self, which):
        subject, model = self.transaction(which)
        assert subject.__enter__() is subject
        model.save()

    @some_are_open
    @rule(which=WHICH, clean=st.booleans())
    def close_a_savepoint(self, which, clean):
        subject, model = self.transaction(which)
        if model.savepoints:
            leave(subject, None if clean else ZeroDivisionError())
            model.keep() if clean else model.undo()

    @some_are_open
    @rule(which=WHICH)
    def commit(self, which):
        self.world.commit(self.transaction(which))

    @some_are_open
    @rule(which=WHICH)
    def abandon(self, which):
        self.world.abandon(self.transaction(which))

    @rule(deeds=DEEDS)
    def act(self, deeds):
        self.do(deeds, self.world.writable())

    @rule(inside=DEEDS, meanwhile=DEEDS, settle=st.sampled_from([None, "flush", "compact"]), back=st.booleans())
    def race(self, inside, meanwhile, settle, back):
        """One transaction, and what others do before it ends. back: they take everything back again."""
        world = self.world
        transaction = world.begin()
        self.do(inside, world.inside(transaction, transaction.model.spaces))
        before = [dict(mirror.model.items()) for mirror in world.live()]
        self.do(meanwhile, world.live())
        if back:
            for mirror, content in zip(world.live(), before, strict=True):
                self.same(mirror, lambda d: d.clear())
                self.same(mirror, lambda d, content=content: d.update(content))
        if settle:
            getattr(world.db, settle)()
            world.history.promise()
        world.commit(transaction)

    def do(self, deeds, mirrors):
        for where, name, a, b, value in deeds:
            mirror = mirrors[where % len(mirrors)]
            kind, act = mirror.kind, ACTS[name]
            a, b, value = kind.key(a), kind.key(b), kind.value(value)
            self.same(mirror, lambda d, act=act, a=a, b=b, value=value: act(d, a, b, value))

    @rule(k=KEY, v=SMALL_VALUE, others=st.integers(0, 4), retries=st.integers(0, 3))
    def transact(self, k, v, others, retries):
        """Run again as often as another writer comes between, up to `retries` times."""
        db, space, kind = self.world.live()[0]
        key, runs = kind.key(k), []

        def work(tx):
            assert tx.get(key) == space.get(key)
            runs.append(tx)
            if len(runs) <= others:
                db[key] = space[key] = kind.value((v + len(runs)) % 60)
                self.world.note()
            tx[key] = kind.value(v)
            return len(runs)

        if others > retries:
            with pytest.raises(lsmkv.ConflictError):
                db.transact(work, retries)
            assert len(runs) == retries + 1
        else:
            assert db.transact(work, retries=retries) == others + 1
            space[key] = kind.value(v)
            self.world.note()
        assert all(tx.closed for tx in runs)
