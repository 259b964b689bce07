"""Crashing: a copy of the directory as a crash would leave it, opened. The store itself goes on."""

import math
import tempfile
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

import lsmkv

from . import crash
from .game import Game
from .space import Cell


def content(path, clock, options):
    """What is in the store there, as history.shown() has it."""
    with lsmkv.open(path, "w", key="stored", value="stored", clock=clock, **options) as db:
        db.verify()
        found = {None: (f"{db.key_codec} to {db.value_codec}", None, cells(db, clock))}
        for name, about in db.namespaces().items():
            space = db.namespace(name, key=about["key"], value=about["value"], ttl=about["ttl"])
            found[name] = (f"{about['key']} to {about['value']}", about["ttl"], cells(space, clock))
        return found


def cells(store, clock):
    lives = {key: store.ttl(key) for key in store}
    assert len(store) == len(lives)
    return {
        key: Cell(value, math.inf if lives[key] is None else clock.time() + lives[key]) for key, value in store.items()
    }


nothing_goes_on = precondition(lambda self: self.world and self.world.db.options["threads"] == 0)


class Crashing(Game):
    @nothing_goes_on
    @rule()
    def kill_the_process(self):
        """All that was written is there; without a log, all that was flushed."""
        with tempfile.TemporaryDirectory(prefix="lsmkv-killed-") as home:
            copy = Path(home, "copy")
            crash.killed_process(self.world.path, copy)
            history = self.world.history
            last = len(history.pictures) - 1
            self.is_a_state_since(copy, last if self.world.keeps_a_log else history.survives)

    @nothing_goes_on
    @rule(survivors=st.integers(0, 1 << 40))
    def cut_the_power(self, survivors):
        """What was promised is there, and what came after it up to some write.

        Nothing behind what the store itself calls durable is taken for granted: a promise it did not keep is found out.
        """
        if not self.world.keeps_a_log:
            return
        with tempfile.TemporaryDirectory(prefix="lsmkv-power-") as home:
            copy = Path(home, "copy")
            durable = self.world.db.stats()["lsn_durable"]
            crash.power_cut(self.world.path, copy, durable, survivors)
            history = self.world.history
            self.is_a_state_since(copy, max(history.survives, history.durable_through(durable)))

    def is_a_state_since(self, copy, first):
        found = content(copy, self.world.clock, self.world.options)
        assert self.world.history.place_of(found, self.world.clock.time(), first) is not None
