"""Game: a store and its model, opened; what must hold after each rule; and how a rule is written.

`where` says what a rule is about: a store, a namespace, or either as a transaction (when reading: or a snapshot) sees
it. `same` does one thing to the store and to the model and compares what they answer, exceptions included.
"""

import math

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

import lsmkv

from .kinds import KEYS, KINDS, SMALL, VALUES
from .world import World, outcome

WHERE = st.integers(0, 11)
KEY = st.integers(0, KEYS - 1)
VALUE = st.integers(0, VALUES - 1)
SMALL_VALUE = st.integers(0, SMALL - 1)
BOUND = st.none() | KEY
TTL = st.none() | st.integers(1, 20) | st.just(math.inf)
DEFAULT_TTL = st.none() | st.integers(5, 40)
PAIRS = st.lists(st.tuples(KEY, SMALL_VALUE), max_size=30)
KIND = st.sampled_from(KINDS)

HERE = [name for name in ("lz4", "zstd") if lsmkv.features()[name]] or ["none"]

OPTION_SETS = [
    {"options": "teach"},
    {"threads": 0, "segment_bytes": 4096, "table_bytes": 512, "page_bytes": 64, "l0_segments": 1, "run_count": 2},
    {
        "threads": 0,
        "segment_bytes": 8192,
        "table_bytes": 4096,
        "l0_segments": 2,
        "durability": "always",
        "large_value_bytes": 16,
    },
    {"threads": 2, "segment_bytes": 4096, "table_bytes": 2048, "page_bytes": 128, "l0_segments": 1, "run_count": 2},
    {"threads": 2, "segment_bytes": 4096, "table_bytes": 2048, "l0_segments": 1, "large_value_bytes": 40},
    {"threads": 0, "segment_bytes": 4096, "table_source": "read", "run_count": 1, "large_value_bytes": 16},
    {"threads": 0, "segment_bytes": 4096, "table_bytes": 2048, "table_source": "read", "cache_bytes": 65536},
    {"threads": 0, "segment_bytes": 4096, "log_source": "written", "durability": "os"},
    {"threads": 0, "segment_bytes": 4096, "table_bytes": 1024, "durability": "none"},
    {"threads": 0, "segment_bytes": 4096, "table_bytes": 8192, "page_bytes": 1024, "compression": HERE[0]},
    {
        "threads": 0,
        "segment_bytes": 4096,
        "table_bytes": 4096,
        "page_bytes": 64,
        "compression": HERE[-1],
        "run_count": 2,
    },
    {"threads": 2, "segment_bytes": 8192, "l0_segments": 1, "compression": "auto", "table_source": "read"},
    {"threads": 0, "segment_bytes": 4096, "table_bytes": 512, "merge_policy": "leveled", "l0_segments": 1},
    {
        "threads": 2,
        "segment_bytes": 4096,
        "table_bytes": 1024,
        "merge_policy": "tiered",
        "l0_segments": 1,
        "run_count": 2,
    },
    {"threads": 0, "segment_bytes": 4096, "table_bytes": 1024, "merge_policy": "none", "l0_segments": 1},
    {"threads": 0, "segment_bytes": 4096, "table_bytes": 512, "space_limit": 1.05, "l0_segments": 1},
    {},
]


class Game(RuleBasedStateMachine):
    world = None

    @initialize(kind=KIND, options=st.sampled_from(OPTION_SETS), ttl=DEFAULT_TTL)
    def open(self, kind, options, ttl):
        self.world = World(kind, options, ttl)

    # ---- how rules are written ------------------------------------------------------------------

    def writable(self, where):
        mirrors = self.world.writable()
        return mirrors[where % len(mirrors)]

    def readable(self, where):
        mirrors = self.world.writable() + self.world.frozen()
        return mirrors[where % len(mirrors)]

    def same(self, mirror, act, sync=None):
        answer, expected = outcome(act, mirror.subject), outcome(act, mirror.model)
        assert answer == expected, f"{answer!r}, not {expected!r}"
        self.world.note(sync)

    # ---- what always holds ----------------------------------------------------------------------

    @invariant()
    def the_store_is_its_model(self):
        if self.world:
            told = self.world.db.namespaces()
            assert len({about.pop("id") for about in told.values()}) == len(told)
            assert told == self.world.listing()
            for store, space, _ in self.world.live():
                expected = space.items()
                assert len(store) == len(expected) and bool(store) == bool(expected)
                assert list(store.items()) == expected
                assert store.first() == (expected[0] if expected else None)

    def teardown(self):
        if not self.world:
            return
        try:
            self.world.db.verify()
            self.world.close()
            self.open_a_last_time()
            assert all(view == value for view, value in self.world.lent)
        finally:
            self.world.remove()

    def open_a_last_time(self):
        world = self.world
        with lsmkv.open(world.path, "r", key="stored", value="stored", clock=world.clock) as db:
            for name, space in world.spaces.items():
                kind = space.kind
                store = db if name is None else db.namespace(name, key=kind.key_name, value=kind.value_name)
                assert list(store.items()) == space.items()
                assert list(reversed(store)) == list(space)[::-1]
