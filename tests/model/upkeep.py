"""Upkeep: what moves records about and must change nothing; time, which does; closing and opening again."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from .game import BOUND, DEFAULT_TTL, KEY, WHERE, Game


class Upkeep(Game):
    @rule()
    def flush(self):
        self.world.db.flush()
        self.world.history.promise()

    @rule(start=BOUND, stop=BOUND)
    def compact(self, start, stop):
        key = self.world.kind.key
        self.world.db.compact(key(start), key(stop))
        self.world.history.promise()

    @rule(times=st.integers(1, 8))
    def step(self, times):
        for _ in range(times):
            self.world.db.step()

    @rule(times=st.integers(0, 4))
    def pause(self, times):
        with self.world.db.compaction_paused():
            self.step(times)

    @rule()
    def sync(self):
        self.world.db.sync()
        if self.world.keeps_a_log:
            self.world.history.promise()

    @rule(seconds=st.sampled_from([0.5, 1, 2, 5, 20]))
    def time_passes(self, seconds):
        self.world.clock.advance(seconds)

    @rule(where=WHERE, k=KEY, ttl=st.integers(1, 20))
    def touch(self, where, k, ttl):
        mirror = self.writable(where)
        key = mirror.kind.key(k)
        self.same(mirror, lambda d: d.touch(key, ttl))

    @rule(where=WHERE, k=KEY)
    def persist(self, where, k):
        mirror = self.writable(where)
        key = mirror.kind.key(k)
        self.same(mirror, lambda d: d.persist(key))

    @rule(
        threads=st.sampled_from([0, 2]),
        ttl=DEFAULT_TTL,
        policy=st.sampled_from(["default", "leveled", "tiered", "none"]),
    )
    def open_again(self, threads, ttl, policy):
        world = self.world
        world.close()
        world.options = {**world.options, "threads": threads, "merge_policy": policy}
        world.spaces[None].default_ttl = ttl
        world.open(world.options)
