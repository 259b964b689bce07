"""A store against a plain dict, over random histories. Steps: LSMKV_MODEL_STEPS (how many in all, about)."""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import lsmkv

STEPS = int(os.environ.get("LSMKV_MODEL_STEPS", "4000"))
EACH = 50

# Few keys, so that histories meet; close ones, so that bounds and prefixes matter.
keys = st.one_of(
    st.sampled_from([b"", b"\0", b"a", b"a\0", b"aa", b"ab", b"b", b"\xff", b"\xff\xff"]),
    st.binary(max_size=3),
    st.integers(0, 40).map(lambda i: b"key%02d" % i),
)
values = st.one_of(st.binary(max_size=8), st.integers(0, 3000).map(lambda size: bytes([size % 256]) * size))
bounds = st.one_of(st.none(), keys)
pairs = st.lists(st.tuples(keys, values), max_size=40)
writes = st.lists(
    st.one_of(
        st.tuples(st.just("put"), keys, values),
        st.tuples(st.just("delete"), keys),
        st.tuples(st.just("delete_range"), bounds, bounds),
    ),
    max_size=30,
)

OPTION_SETS = [
    {"threads": 0, "segment_bytes": 4096, "table_bytes": 512, "page_bytes": 64, "l0_segments": 1, "run_count": 2},
    {"threads": 0, "segment_bytes": 8192, "table_bytes": 4096, "page_bytes": 256, "l0_segments": 2, "run_count": 3},
    {"threads": 2, "segment_bytes": 4096, "table_bytes": 2048, "page_bytes": 128, "l0_segments": 1, "run_count": 2},
    {"threads": 0, "table_source": "read", "segment_bytes": 4096, "table_bytes": 2048, "cache_bytes": 65536},
    {},
]


def within(key, start, stop):
    return (start is None or key >= start) and (stop is None or key < stop)


def cut(model, start, stop):
    return {key: value for key, value in model.items() if not within(key, start, stop)}


class StoreMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.directory = None

    @rule(options=st.sampled_from(OPTION_SETS))
    @precondition(lambda self: self.directory is None)
    def open(self, options):
        import tempfile

        self.directory = tempfile.TemporaryDirectory(prefix="lsmkv-model-")
        self.options = options
        self.model = {}
        self.frozen = []  # (snapshot, what it must show)
        self.scans = []  # (iterator, what it must still yield)
        self.db = lsmkv.open(self.directory.name + "/store", **options)

    is_open = precondition(lambda self: self.directory is not None)

    # ---- writing

    @is_open
    @rule(key=keys, value=values, sync=st.sampled_from([None, False, True]))
    def put(self, key, value, sync):
        self.db.put(key, value, sync=sync)
        self.model[key] = value

    @is_open
    @rule(key=keys, value=values)
    def assign(self, key, value):
        self.db[key] = value
        self.model[key] = value

    @is_open
    @rule(key=keys)
    def delete(self, key):
        self.db.delete(key)
        self.model.pop(key, None)

    @is_open
    @rule(key=keys)
    def remove(self, key):
        if key in self.model:
            del self.db[key]
            del self.model[key]
        else:
            with pytest.raises(KeyError):
                del self.db[key]

    @is_open
    @rule(start=bounds, stop=bounds)
    def delete_range(self, start, stop):
        del self.db[start:stop]
        self.model = cut(self.model, start, stop)

    @is_open
    @rule(source=pairs)
    def update(self, source):
        self.db.update(source)
        self.model.update(source)

    @is_open
    @rule(writes=writes, fails=st.booleans())
    def batch(self, writes, fails):
        after = dict(self.model)
        try:
            with self.db.batch() as batch:
                for name, *arguments in writes:
                    getattr(batch, name)(*arguments)
                    if name == "put":
                        after[arguments[0]] = arguments[1]
                    elif name == "delete":
                        after.pop(arguments[0], None)
                    else:
                        after = cut(after, *arguments)
                if fails:
                    raise ZeroDivisionError
            self.model = after
        except ZeroDivisionError:
            pass

    # ---- upkeep

    @is_open
    @rule()
    def flush(self):
        self.db.flush()

    @is_open
    @rule(start=bounds, stop=bounds)
    def compact(self, start, stop):
        self.db.compact(start, stop)

    @is_open
    @rule()
    def step(self):
        self.db.step()

    @is_open
    @rule()
    def sync(self):
        self.db.sync()

    @is_open
    @rule(threads=st.sampled_from([0, 2]))
    def reopen(self, threads):
        self.db.close()
        for snapshot, _ in self.frozen:
            assert snapshot.closed
        self.frozen.clear()
        self.scans.clear()
        self.db = lsmkv.open(self.directory.name + "/store", **{**self.options, "threads": threads})

    # ---- what was frozen stays

    @is_open
    @rule()
    def freeze(self):
        self.frozen.append((self.db.snapshot(), dict(self.model)))
        if len(self.frozen) > 4:
            self.frozen.pop(0)[0].close()

    @is_open
    @rule(reverse=st.booleans(), start=bounds, stop=bounds)
    def begin_scan(self, reverse, start, stop):
        expected = sorted(pair for pair in self.model.items() if within(pair[0], start, stop))
        if reverse:
            expected.reverse()
        self.scans.append((iter(self.db.range(start, stop, reverse=reverse).items()), expected))
        if len(self.scans) > 4:
            self.scans.pop(0)

    @is_open
    @rule(steps=st.integers(1, 30))
    def go_on_scanning(self, steps):
        for scan, expected in self.scans:
            for _ in range(steps):
                assert next(scan, None) == (expected.pop(0) if expected else None)

    @is_open
    @rule(key=keys)
    def look_into_the_past(self, key):
        for snapshot, content in self.frozen:
            assert snapshot.get(key) == content.get(key) and (key in snapshot) == (key in content)
            assert dict(snapshot) == content and len(snapshot) == len(content)

    # ---- reading

    @is_open
    @rule(key=keys)
    def get(self, key):
        assert self.db.get(key) == self.model.get(key)
        assert (key in self.db) == (key in self.model)

    @is_open
    @rule(wanted=st.lists(keys, max_size=40))
    def get_many(self, wanted):
        assert self.db.get_many(wanted) == [self.model.get(key) for key in wanted]

    @is_open
    @rule(
        start=bounds,
        stop=bounds,
        include_start=st.booleans(),
        include_stop=st.booleans(),
        reverse=st.booleans(),
        limit=st.one_of(st.none(), st.integers(0, 10)),
    )
    def scan(self, start, stop, include_start, include_stop, reverse, limit):
        view = self.db.range(start, stop, include_start=include_start, include_stop=include_stop, reverse=reverse)
        expected = sorted(
            (key, value)
            for key, value in self.model.items()
            if (start is None or key > start or (include_start and key == start))
            and (stop is None or key < stop or (include_stop and key == stop))
        )
        if reverse:
            expected.reverse()
        if limit is not None:
            view, expected = view.limit(limit), expected[:limit]
        assert list(view.items()) == expected
        assert list(reversed(view.items())) == expected[::-1]
        assert view.count() == len(expected)
        assert view.first() == (expected[0] if expected else None)
        assert view.last() == (expected[-1] if expected else None)

    @is_open
    @rule(prefix=keys)
    def prefix(self, prefix):
        assert dict(self.db.prefix(prefix).items()) == {k: v for k, v in self.model.items() if k.startswith(prefix)}

    @is_open
    @invariant()
    def the_whole_content(self):
        assert len(self.db) == len(self.model) and bool(self.db) == bool(self.model)
        ordered = sorted(self.model.items())
        assert list(self.db.items()) == ordered
        assert self.db.first() == (ordered[0] if ordered else None)

    def teardown(self):
        if self.directory is None or not hasattr(self, "db"):
            return
        try:
            self.db.verify()
            self.db.close()
            with lsmkv.open(self.directory.name + "/store", "r") as db:
                assert dict(db) == self.model
                assert list(reversed(db)) == sorted(self.model, reverse=True)
        finally:
            self.db.close()
            self.directory.cleanup()


TestStore = StoreMachine.TestCase
TestStore.settings = settings(
    max_examples=max(1, STEPS // EACH),
    stateful_step_count=EACH,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    print_blob=True,
)
TestStore.pytestmark = [pytest.mark.timeout(3600 if STEPS > 10_000 else 300)]
