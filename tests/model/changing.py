"""Changing: what reads, thinks and writes in one atomic step."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from lsmkv import ABSENT

from .game import KEY, TTL, VALUE, WHERE, Game
from .space import OPERATIONS


class Changing(Game):
    @rule(where=WHERE, k=KEY, default=st.sampled_from([(), (None,), (7,)]))
    def pop(self, where, k, default):
        mirror = self.writable(where)
        key = mirror.kind.key(k)
        self.same(mirror, lambda d: d.pop(key, *default))

    @rule(where=WHERE, last=st.booleans())
    def popitem(self, where, last):
        self.same(self.writable(where), lambda d: d.popitem(last=last))

    @rule(where=WHERE, k=KEY, v=VALUE)
    def setdefault(self, where, k, v):
        mirror = self.writable(where)
        key, value = mirror.kind.key(k), mirror.kind.value(v)
        self.same(mirror, lambda d: d.setdefault(key, value))

    @rule(where=WHERE, k=KEY, v=VALUE, ttl=TTL)
    def add(self, where, k, v, ttl):
        mirror = self.writable(where)
        key, value = mirror.kind.key(k), mirror.kind.value(v)
        self.same(mirror, lambda d: d.add(key, value, ttl=ttl))

    @rule(where=WHERE, k=KEY)
    def discard(self, where, k):
        mirror = self.writable(where)
        key = mirror.kind.key(k)
        self.same(mirror, lambda d: d.discard(key))

    @rule(where=WHERE, k=KEY, guess=st.sampled_from(["right", "absent"]) | VALUE, v=st.none() | VALUE, ttl=TTL)
    def compare_and_set(self, where, k, guess, v, ttl):
        mirror = self.writable(where)
        kind, key = mirror.kind, mirror.kind.key(k)
        new = ABSENT if v is None else kind.value(v)
        right = mirror.model.cells.get(key)
        old = ABSENT if guess == "absent" else right.value if guess == "right" and right else kind.value(3)
        if isinstance(guess, int):
            old = kind.value(guess)
        self.same(mirror, lambda d: d.compare_and_set(key, old, new, ttl=ttl))

    @rule(where=WHERE, k=KEY, delta=st.integers(-5, 1 << 70))
    def incr(self, where, k, delta):
        mirror = self.writable(where)
        key = mirror.kind.key(k)
        self.same(mirror, lambda d: d.incr(key, delta))

    @rule(where=WHERE, k=KEY, v=VALUE, op=st.sampled_from(sorted(OPERATIONS)))
    def merge(self, where, k, v, op):
        mirror = self.writable(where)
        key, value = mirror.kind.key(k), mirror.kind.value(v)
        self.same(mirror, lambda d: d.merge(key, value, op=op))

    @rule(where=WHERE, k=KEY, first=VALUE, meanwhile=VALUE, operand=VALUE)
    def merge_while_another_writes(self, where, k, first, meanwhile, operand):
        """The operation is called again, with what the other has written."""
        live = self.world.live()
        mirror = live[where % len(live)]
        store, model, kind = mirror
        key, seen = kind.key(k), []
        store[key] = model[key] = kind.value(first)
        self.world.note()

        def op(value, operand):
            seen.append(value)
            if len(seen) == 1:
                store[key] = model[key] = kind.value(meanwhile)
                self.world.note()
            return operand

        assert store.merge(key, kind.value(operand), op=op) == kind.value(operand)
        assert seen == [kind.value(first), kind.value(meanwhile)]
        model.merge(key, kind.value(operand), op=lambda value, operand: operand)
        self.world.note()
