"""Packed pages: what goes in comes out, whatever codec, page size and table source; and what is told of them."""

import contextlib
import random

import pytest

import lsmkv
from lsmkv import CorruptionError, OptionsError

HERE = [name for name in ("lz4", "zstd") if lsmkv.features()[name]]
PACKED = [
    pytest.param(name, marks=pytest.mark.skipif(name not in HERE, reason=f"this build has no {name}"))
    for name in ("lz4", "zstd")
]
TINY = {"threads": 0, "segment_bytes": 65536, "l0_segments": 1}


def rows(count, seed=1):
    """Values of which half packs, some that do not pack at all, empty ones, and a few larger than any page."""
    draw = random.Random(seed)
    made = {}
    for at in range(count):
        half = draw.randbytes(50) + b"-" * 50
        value = {0: draw.randbytes(100), 1: b"", 2: draw.randbytes(3000) + b"x" * 3000}.get(at % 23, half)
        made[b"key%07d" % (at * 7)] = value
    made[b"key0000003"] = draw.randbytes(20_000) + bytes(60_000)
    made[b"key0000004"] = bytes(200_000)
    return made


def settled(path, wanted, **options):
    db = lsmkv.open(path, **{**TINY, **options})
    db.update(wanted)
    db.compact()
    return db


def same(db, wanted):
    ordered = sorted(wanted.items())
    assert list(db.items()) == ordered and list(reversed(db.items())) == ordered[::-1]
    keys = list(wanted)
    random.Random(2).shuffle(keys)
    assert all(db[key] == wanted[key] for key in keys)
    for at in range(0, len(keys), 16):
        assert db.get_many(keys[at : at + 16]) == [wanted[key] for key in keys[at : at + 16]]
    assert all(key + b"x" not in db for key in keys[:50])
    for key in keys[:50]:
        assert bytes(db.get_view(key)) == wanted[key]


@pytest.mark.parametrize("codec", PACKED)
@pytest.mark.parametrize("page_bytes", [64, 2048, 16384, 65536])
@pytest.mark.parametrize("source", ["mapped", "read"])
def test_what_goes_in_comes_out(path, codec, page_bytes, source):
    wanted = rows(1500)
    with settled(path, wanted, compression=codec, page_bytes=page_bytes) as db:
        same(db, wanted)
        db.verify()
        (table,) = [level for level in db.levels if level.kind == "table"]
        assert table.codec == codec and table.stored_bytes < table.record_bytes
    with lsmkv.open(path, table_source=source, cache_bytes=65536) as db:
        same(db, wanted)
        db.verify()


@pytest.mark.parametrize("codec", PACKED)
def test_space(path, codec):
    """Of values of 100 bytes of which half packs: at most 80 % of keys and values with packing, 110 % without."""
    draw = random.Random(3)
    wanted = {draw.randbytes(16): draw.randbytes(50) + bytes(50) for _ in range(20_000)}
    payload = sum(len(key) + len(value) for key, value in wanted.items())
    shares = {}
    for compression in ("none", codec):
        with settled(path.with_name(compression), wanted, compression=compression) as db:
            shares[compression] = sum(level.bytes for level in db.levels if level.kind == "table") / payload
    assert shares["none"] <= 1.10 and shares[codec] <= 0.80


def codecs_of(db):
    return {level.codec for level in db.levels if level.kind == "table"}


@pytest.mark.skipif("lz4" not in HERE, reason="this build has no lz4")
def test_auto_packs_what_pays_when_it_has_settled(path):
    with lsmkv.open(path.with_name("text"), compression="auto", **TINY) as db:
        db.update((b"%05d" % at, b"the same words again and again") for at in range(1000))
        db.flush()
        assert codecs_of(db) == {"raw"}  # young
        db[b"x"] = b"y"
        db.compact()
        assert codecs_of(db) == {"lz4"}
    draw = random.Random(4)
    with lsmkv.open(path.with_name("noise"), compression="auto", **TINY) as db:
        db.update((draw.randbytes(8), draw.randbytes(100)) for _ in range(1000))
        db.flush()
        db[b"x"] = b"y"
        db.compact()
        assert codecs_of(db) == {"raw"}  # a sample did not pay


@pytest.mark.parametrize("codec", PACKED)
def test_a_store_may_change_its_mind(path, codec):
    first, second = rows(300, 5), {b"other%05d" % at: b"text text text" for at in range(300)}
    with lsmkv.open(path, compression="none", **TINY) as db:
        db.update(first)
        db.flush()
    with lsmkv.open(path, compression=codec, **TINY) as db:
        assert codecs_of(db) == {"raw"}
        same(db, first)
        db.update(second)
        db.flush()
        assert codecs_of(db) == {"raw", codec}
        same(db, first | second)
    with lsmkv.open(path, **TINY) as db:
        same(db, first | second)
        db.compact()
        assert codecs_of(db) == {"raw"}
        same(db, first | second)


@pytest.mark.parametrize("codec", PACKED)
def test_explain_and_levels_tell_what_packing_cost(path, codec):
    wanted = {b"%05d" % at: b"the same words again and again" for at in range(1000)}
    with settled(path, wanted, compression=codec) as db:
        assert db[b"00500"] == wanted[b"00500"]
        told = db.explain(b"00500")
        assert told[-1].verdict == "value" and told[-1].pages == 1 and 0 < told[-1].unpacked <= 4 * 2048
        assert "unpacked" in repr(told)
        assert [probe.pages for probe in db.explain(b"nothing") if probe.kind == "table"] == [0]
        (table,) = [level for level in db.levels if level.kind == "table"]
        assert table.record_bytes == sum(3 + len(key) + len(value) for key, value in wanted.items())


@pytest.mark.parametrize("codec", PACKED)
def test_what_is_lent_or_pinned_outlives_its_page(path, codec):
    """Views, iterators, snapshots and transactions beside a merge, over pages that are unpacked."""
    wanted = rows(400)
    with settled(path, wanted, compression=codec) as db, db.snapshot() as snapshot:
        walk = iter(snapshot.items())
        head = [next(walk) for _ in range(5)]
        for key in list(wanted)[::2]:
            del db[key]
        db.compact()
        assert head + list(walk) == sorted(wanted.items())
        with contextlib.suppress(lsmkv.ConflictError), db.transaction() as txn:
            kept = [key for key in wanted if key in txn]
            assert sorted(kept) == sorted(set(wanted) - set(list(wanted)[::2]))


@pytest.mark.parametrize("codec", PACKED)
def test_scenario_damage_in_a_packed_page_is_an_error_of_its_keys(path, codec):
    wanted = rows(1500)
    settled(path, wanted, compression=codec).close()
    (table,) = path.glob("*.tbl")
    data = bytearray(table.read_bytes())
    data[4096 * 3 + 5] ^= 1
    table.write_bytes(data)
    with lsmkv.open(path, table_source="read", **TINY) as db:
        wrong = 0
        for key, value in wanted.items():
            try:
                assert db[key] == value
            except CorruptionError as error:
                wrong += 1
                assert table.name in str(error)
        assert 0 < wrong < len(wanted)


@pytest.mark.parametrize("name", [name for name in ("lz4", "zstd") if name not in HERE])
def test_a_codec_that_this_build_lacks_cannot_be_chosen(path, name):
    with pytest.raises(OptionsError, match=name):
        lsmkv.open(path, compression=name)
