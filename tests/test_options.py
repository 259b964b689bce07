"""Options: named, bounded, documented, and refused with words that help."""

import dataclasses
import itertools
import math
import tempfile
import typing

import pytest

import lsmkv
from lsmkv.options import BOUNDS, PRESETS, WORDS, Options, Overrides, Preset


def test_the_defaults_are_the_engine_s(path):
    with lsmkv.open(path) as db:
        plain = dataclasses.asdict(Options())
        engine = db.options
        assert engine.keys() == plain.keys()
        resolved = ("log_source", "table_source")  # the engine says what "auto" became
        assert {name: engine[name] for name in plain if name not in resolved} == {
            name: plain[name] for name in plain if name not in resolved
        }
        assert all(engine[name] in WORDS[name] for name in resolved)


@pytest.mark.parametrize("name", PRESETS)
def test_presets(path, name):
    with lsmkv.open(path, options=name) as db:
        assert PRESETS[name].items() <= db.options.items()
        db.update((b"%d" % i, b"v" * 100) for i in range(1000))
        assert len(db) == 1000
    assert Options.preset(name) == Options(**PRESETS[name])


def test_every_field_reaches_the_engine(path):
    other = {
        **{"durability": "always", "sync_interval_ms": 77, "threads": 0, "segment_bytes": 65536, "table_bytes": 8192},
        **{"page_bytes": 512, "l0_segments": 2, "run_count": 5, "memory_bytes": 1 << 23, "cache_bytes": 131072},
        **{"log_source": "written", "large_value_bytes": 100},
        **{"background_bytes_per_second": 1 << 20, "max_pinned_bytes": 1 << 30, "table_source": "read"},
        **{"ttl": 7.5, "mode": 0o750},
        **{"merge_policy": "fifo", "space_limit": 1.5, "fifo_bytes": 1 << 20, "fifo_age": 3600.0},
        "compression": "auto",
    }
    assert other.keys() == Options.__dataclass_fields__.keys()
    with lsmkv.open(path, **other) as db:
        assert db.options == other
    with lsmkv.open(path, options=Options(**other)) as db:
        assert db.options == other


def test_an_options_object_and_overrides(path):
    chosen = dataclasses.replace(Options.preset("teach"), page_bytes=256)
    with lsmkv.open(path, options=chosen, threads=0) as db:
        assert db.options["page_bytes"] == 256 and db.options["threads"] == 0
        assert db.options["segment_bytes"] == PRESETS["teach"]["segment_bytes"]


def test_options_are_a_copy(path):
    with lsmkv.open(path) as db:
        db.options["threads"] = 99
        assert db.options["threads"] == 2


def test_frozen_and_keyword_only():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Options().threads = 0
    with pytest.raises(TypeError):
        Options("always")


def test_every_field_has_bounds_or_words():
    assert {field.name for field in dataclasses.fields(Options)} == BOUNDS.keys() | WORDS.keys() | {
        "ttl",
        "fifo_age",
        "space_limit",
    }


WRONG = [
    *((name, value) for name in WORDS for value in ("nonsense", 1, None, b"os")),
    *((name, value) for name, (low, high) in BOUNDS.items() for value in (low - 1, high + 1, "8", 1.5, None, True)),
    ("threads", 1),
    *((name, value) for name in ("ttl", "fifo_age") for value in (0, -1, 1_000_000_001, math.inf, math.nan, "8", True)),
    *(("space_limit", value) for value in (1, 1.04, 1001, math.inf, math.nan, "8", True, None)),
]


@pytest.mark.parametrize("name, value", WRONG)
def test_wrong_values(path, name, value):
    with pytest.raises(lsmkv.OptionsError, match=name):
        lsmkv.open(path, **{name: value})
    with pytest.raises(lsmkv.OptionsError, match=name):
        Options(**{name: value})
    assert not path.exists()


def test_fifo_says_when_data_goes(path):
    with pytest.raises(lsmkv.OptionsError, match="fifo_bytes"):
        lsmkv.open(path, merge_policy="fifo")


@pytest.mark.parametrize("limit", [{"fifo_bytes": 1 << 20}, {"fifo_age": 3600}])
@pytest.mark.parametrize("policy", [{}, {"merge_policy": "default"}, {"merge_policy": "none"}])
def test_limits_of_fifo_without_fifo_are_refused(path, limit, policy):
    with pytest.raises(lsmkv.OptionsError, match="merge_policy fifo alone.*choose it, or leave them out"):
        lsmkv.open(path, **limit, **policy)
    assert not path.exists()


def test_bounds_are_told_in_units_that_are_read():
    with pytest.raises(lsmkv.OptionsError, match=r"memory_bytes=0: it is from 4194304 \(4 MiB\) to .*\(64 TiB\)"):
        Options(memory_bytes=0)
    with pytest.raises(lsmkv.OptionsError, match=r"large_value_bytes=5: it is 0, or from 16 to 1073741824 \(1 GiB\)"):
        Options(large_value_bytes=5)
    for decimal in (700, 777, "0o700"):  # octal digits without their 0o
        with pytest.raises(lsmkv.OptionsError, match=r"from 0 to 0o777; permission bits .* octal, such as 0o700"):
            Options(mode=decimal)


@pytest.mark.parametrize("empty", ["", b""])
@pytest.mark.parametrize("flag", "rwcn")
def test_an_empty_path_is_not_a_directory(empty, flag):
    with pytest.raises(lsmkv.OptionsError, match='names the directory of a store; "." is the present one, and None'):
        lsmkv.open(empty, flag)


@pytest.mark.parametrize("flag", "rw")
def test_a_temporary_store_is_new(tmp_path, monkeypatch, flag):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(
        lsmkv.OptionsError, match="path=None makes a temporary store, which is new and empty: leave flag"
    ):
        lsmkv.open(None, flag)
    assert not list(tmp_path.iterdir())
    with lsmkv.open(None, "n") as db:
        assert not db


def test_unknown_names_list_the_known_ones(path):
    with pytest.raises(lsmkv.OptionsError, match="'pagebytes': perhaps page_bytes. There are durability, "):
        lsmkv.open(path, pagebytes=4096)
    with pytest.raises(lsmkv.OptionsError, match="preset.*teach"):
        lsmkv.open(path, options="tutorial")
    for wrong in (7, {"threads": 0}, ["teach"]):
        with pytest.raises(lsmkv.OptionsError, match="preset"):
            lsmkv.open(path, options=wrong)
    assert not path.exists()


@pytest.mark.parametrize("flag", ["x", "", "rw", b"r", 7, None])
def test_wrong_flags(path, flag):
    with pytest.raises(lsmkv.OptionsError, match="flag"):
        lsmkv.open(path, flag)
    assert not path.exists()


@pytest.mark.parametrize(
    "call", ["LSM()", "LSM(p, 'c', None)", "LSM(p, path=p)", "LSM(p, 'c', flag='c')", "LSM(flag='c')"]
)
def test_wrong_arguments(path, call):
    with pytest.raises(TypeError):
        eval(call, {"LSM": lsmkv.LSM, "p": path})


def test_what_has_to_be_named_is_named(path):
    with lsmkv.open(path) as db:
        with pytest.raises(TypeError, match=r"no positional arguments \(1 given\): name it, as in popitem\(last=...\)"):
            db.popitem(False)
        with pytest.raises(TypeError, match=r"prefix\(\) takes at most 1 positional argument \(2 given\)|exactly one"):
            db.prefix(b"a", b"b")


def test_arguments_by_name(path):
    with lsmkv.LSM(path=path, flag="c", options=None) as db:
        assert not db
    with lsmkv.LSM(path, flag="w") as db:
        assert not db


@pytest.mark.parametrize(
    "options",
    [
        dict(zip(("segment_bytes", "table_bytes", "page_bytes"), sizes, strict=True))
        for sizes in itertools.product((4096, 65536), (512, 8192), (64, 2048))
    ],
)
@pytest.mark.parametrize("threads", [0, 2])
def test_tiny_limits_are_legal(path, options, threads):
    with lsmkv.open(path, threads=threads, **options) as db:
        pairs = {b"%05d" % i: b"v" * (i % 300) for i in range(2000)}
        db.update(pairs)
        for i in range(0, 2000, 7):
            del db[b"%05d" % i]
            del pairs[b"%05d" % i]
        db.flush()
        assert dict(db) == pairs
    with lsmkv.open(path, threads=threads) as db:
        assert dict(db) == pairs


@pytest.mark.parametrize("durability", WORDS["durability"])
def test_durabilities(path, durability):
    with lsmkv.open(path, durability=durability) as db:
        assert durability in repr(db)
        db.update((b"%d" % i, b"v") for i in range(100))
        db.put(b"k", b"v", sync=True)
        db.sync()
        db.flush()
    with lsmkv.open(path) as db:
        assert len(db) == 101


@pytest.mark.parametrize("source", ["mapped", "read"])
def test_table_sources(path, source):
    with lsmkv.open(path, options="teach", table_source=source, cache_bytes=64 << 10) as db:
        pairs = {b"%05d" % i: b"v" * 100 for i in range(3000)}
        db.update(pairs)
        db.flush()
        assert dict(db) == pairs and db.get_many(pairs) == list(pairs.values())


def test_a_second_handle_compares_only_what_it_names(path):
    with lsmkv.open(path, page_bytes=1024) as db:
        with lsmkv.open(path) as same:
            assert same.options == db.options
        with lsmkv.open(path, page_bytes=1024):
            pass
        with pytest.raises(lsmkv.OptionsError, match="page_bytes"):
            lsmkv.open(path, page_bytes=512)


@pytest.mark.parametrize("given, shown", [(None, None), (7, 7.0), (0.0001, 0.001), (1_000_000_000, 1e9)])
def test_a_ttl_is_shown_as_it_is_given(path, given, shown):
    with lsmkv.open(path, ttl=given) as db:
        assert db.options["ttl"] == shown
        db[b"k"] = b"v"
        assert shown is None or 0 < db.ttl(b"k") <= shown


def test_the_words_of_a_call_are_the_fields():
    known = typing.get_type_hints(Overrides)
    assert known == {field.name: typing.get_type_hints(Options)[field.name] for field in dataclasses.fields(Options)}
    assert typing.get_args(Preset) == tuple(PRESETS)
    assert {name: typing.get_args(known[name]) for name in WORDS} == WORDS


def test_features():
    known = lsmkv.features()
    assert known["version"] == lsmkv.__version__ and known["version"] in known["build_stamp"] and known["checksum"]


def test_star_import_leaves_open_alone():
    names = {}
    exec("from lsmkv import *", names)
    assert "LSM" in names and "open" not in names
    assert all(hasattr(lsmkv, name) for name in lsmkv.__all__)
