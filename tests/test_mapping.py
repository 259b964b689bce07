"""A store is a dict whose keys are sorted: what it does key by key."""

import array
import collections.abc
import os
import tempfile
from collections import UserDict

import pytest

import lsmkv


@pytest.fixture
def db(path):
    with lsmkv.open(path) as db:
        yield db


FRUIT = {b"apple": b"red", b"banana": b"yellow", b"cherry": b"dark red", b"date": b"brown"}


@pytest.fixture
def fruit(db):
    db.update(FRUIT)
    return db


# ---- one key --------------------------------------------------------------------------------


def test_set_get_delete(db):
    db[b"k"] = b"v"
    assert db[b"k"] == b"v"
    db[b"k"] = b"w"
    assert db[b"k"] == b"w"
    del db[b"k"]
    assert b"k" not in db


def test_a_missing_key_is_a_key_error_that_names_it(db):
    with pytest.raises(KeyError) as caught:
        db[b"nobody"]
    assert caught.value.args == (b"nobody",)
    with pytest.raises(KeyError) as caught:
        del db[b"nobody"]
    assert caught.value.args == (b"nobody",)


def test_get_has_a_default(fruit):
    assert fruit.get(b"apple") == b"red"
    assert fruit.get(b"zebra") is None
    assert fruit.get(b"zebra", 7) == 7


@pytest.mark.parametrize("call", [(), (b"a", None, None)])
def test_get_takes_one_or_two_arguments(db, call):
    with pytest.raises(TypeError, match="get"):
        db.get(*call)


def test_the_empty_key_and_the_empty_value_are_ordinary(db):
    db[b""] = b""
    assert db[b""] == b"" and b"" in db and list(db.items()) == [(b"", b"")]
    del db[b""]
    assert b"" not in db


def test_keys_and_values_with_every_byte(db):
    every = bytes(range(256))
    for i in range(256):
        db[every[i:] + every[:i]] = every[i:]
    assert list(db) == sorted(db) and len(db) == 256
    assert all(db[every[i:] + every[:i]] == every[i:] for i in range(256))


@pytest.mark.parametrize("size", [1, 4095, 4096, 65535])
def test_long_keys(db, size):
    key = os.urandom(size)
    db[key] = b"here"
    assert db[key] == b"here" and list(db) == [key]


@pytest.mark.parametrize("size", [65535, 65536, 65537, 1 << 20, (16 << 20) + 1])
def test_large_values(db, size):
    value = os.urandom(size)
    db[b"k"] = value
    assert db[b"k"] == value
    assert db.get_many([b"k", b"l"]) == [value, None]
    assert list(db.items()) == [(b"k", value)]
    assert db.first() == db.last() == (b"k", value)
    assert (b"k", value) in db.items() and value in db.values()


def test_a_key_that_is_too_long_is_a_value_error(db):
    with pytest.raises(ValueError, match="65535|65 535|65,535"):
        db[bytes(65536)] = b""
    with pytest.raises(ValueError), db.batch() as batch:
        batch[bytes(65536)] = b""
    with pytest.raises(ValueError):
        db.update([(bytes(65536), b"")])
    assert not db


# ---- what may be a key or a value -----------------------------------------------------------

BUFFERS = [bytearray(b"abcd"), memoryview(b"abcd"), memoryview(b"__abcd__")[2:6], array.array("B", b"abcd")]


@pytest.mark.parametrize("buffer", BUFFERS, ids=lambda buffer: type(buffer).__name__)
def test_any_buffer_is_taken_and_bytes_come_back(db, buffer):
    db[buffer] = buffer
    assert type(db[buffer]) is bytes and db[b"abcd"] == b"abcd"
    assert buffer in db and db.get(buffer) == b"abcd" and db.get_many([buffer]) == [b"abcd"]
    assert type(next(iter(db))) is bytes
    assert list(db[buffer:]) == list(db.prefix(buffer)) == [b"abcd"]
    assert buffer in db.keys() and (buffer, b"abcd") in db.items()
    with db.batch() as batch:
        batch[buffer] = buffer
        batch.delete(buffer)
    assert buffer not in db
    db.put(buffer, buffer)
    del db[buffer]
    db.put(buffer, buffer)
    db.delete(buffer)
    assert not db


def test_a_subclass_of_bytes(db):
    class Name(bytes):
        pass

    db[Name(b"k")] = Name(b"v")
    assert type(db[Name(b"k")]) is bytes and type(next(iter(db))) is bytes


@pytest.mark.parametrize("wrong", ["text", 7, None, 1.5, [1, 2], (b"a",), object()])
def test_anything_else_is_a_type_error(fruit, wrong):
    calls = [
        lambda: fruit[wrong],
        lambda: fruit.get(wrong),
        lambda: wrong in fruit,
        lambda: fruit.__setitem__(wrong, b""),
        lambda: fruit.__setitem__(b"k", wrong),
        lambda: fruit.__delitem__(wrong),
        lambda: fruit.put(wrong, b""),
        lambda: fruit.put(b"k", wrong),
        lambda: fruit.delete(wrong),
        lambda: fruit.get_many([b"apple", wrong]),
        lambda: fruit.update([(wrong, b"")]),
        lambda: fruit.update({b"k": wrong}),
        lambda: fruit.prefix(wrong),
        lambda: fruit.explain(wrong),
    ]
    for call in calls:
        with pytest.raises(TypeError):
            call()
    assert dict(fruit) == FRUIT


def test_a_str_is_told_about_encode(db):
    with pytest.raises(TypeError, match=r"key must be bytes, not str: use key\.encode\(\)"):
        db["name"]
    with pytest.raises(TypeError, match=r"value must be bytes, not str: use value\.encode\(\)"):
        db[b"name"] = "value"


def test_a_buffer_that_refuses(db):
    with pytest.raises(BufferError):
        db[memoryview(b"abcdef")[::2]] = b""
    released = memoryview(b"abc")
    released.release()
    with pytest.raises(ValueError):
        db[released]


# ---- many keys ------------------------------------------------------------------------------


def test_len_bool_contains(db):
    assert len(db) == 0 and not db
    db[b"a"] = b"1"
    assert len(db) == 1 and db
    db[b"a"] = b"2"
    assert len(db) == 1
    db[b"b"] = b"1"
    assert len(db) == 2 == len(db)
    del db[b"a"]
    assert len(db) == 1 and b"a" not in db and b"b" in db
    db.clear()
    assert len(db) == 0 and not db


def test_order_of_iteration(db):
    keys = [b"b", b"", b"a\0", b"a", b"\xff", b"ab", b"\0"]
    for key in keys:
        db[key] = key
    assert list(db) == sorted(keys)
    assert list(reversed(db)) == sorted(keys, reverse=True)
    assert [*db.values()] == sorted(keys)


def test_get_many(fruit):
    assert fruit.get_many([b"date", b"none", b"apple", b"date"]) == [b"brown", None, b"red", b"brown"]
    assert fruit.get_many([b"none"], b"?") == [b"?"]
    assert fruit.get_many(keys=(b"none",), default=0) == [0]
    assert fruit.get_many([]) == []
    assert fruit.get_many(iter(FRUIT)) == list(FRUIT.values())


def test_get_many_of_many(db):
    pairs = {b"%d" % i: os.urandom(i % 300) for i in range(1000)}
    db.update(pairs)
    keys = [b"%d" % i for i in range(1500)]
    assert db.get_many(keys) == [pairs.get(key) for key in keys]


def test_get_many_of_an_iterable_that_raises(fruit):
    def keys():
        yield b"apple"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fruit.get_many(keys())
    with pytest.raises(TypeError):
        fruit.get_many(7)


@pytest.mark.parametrize(
    "source",
    [
        FRUIT,
        list(FRUIT.items()),
        iter(FRUIT.items()),
        [list(pair) for pair in FRUIT.items()],
        (pair for pair in FRUIT.items()),
        collections.OrderedDict(FRUIT),
        collections.UserDict(FRUIT),
        collections.ChainMap(FRUIT, {b"apple": b"never seen"}),
    ],
    ids=lambda source: type(source).__name__,
)
def test_update_from(db, source):
    db.update(source)
    assert dict(db) == FRUIT


def test_update_from_stores_and_their_views(db, tmp_path):
    with lsmkv.open(tmp_path / "other") as other:
        other.update(FRUIT)
        db.update(other)
        assert dict(db) == FRUIT
        db.clear()
        db.update(other[b"b":b"d"])
        assert set(db) == {b"banana", b"cherry"}
        db.update(other.items())
        with other.snapshot() as snapshot:
            db.clear()
            db.update(snapshot)
        assert dict(db) == FRUIT
        db.update(db)
        assert dict(db) == FRUIT


def test_update_with_nothing(db):
    db.update()
    db.update({})
    db.update([])
    db.set_many([])
    assert not db


def test_update_refuses_keywords_and_says_why(db):
    with pytest.raises(TypeError, match="str"):
        db.update(apple=b"red")
    with pytest.raises(TypeError, match="str"):
        db.update({}, apple=b"red")


@pytest.mark.parametrize(
    "source, error, words",
    [
        ([(b"a", b"1"), b"ab", (b"b",)], TypeError, "bytes"),
        ([(b"a", b"1"), (b"b", b"1", b"2")], ValueError, "element #1 has length 3; 2 is required"),
        ([(b"a", b"1"), 7], TypeError, "element #1 is not a .* pair but int"),
        (7, TypeError, "not iterable"),
        ([("a", b"1")], TypeError, "encode"),
    ],
)
def test_update_from_something_else(db, source, error, words):
    with pytest.raises(error, match=words):
        db.update(source)


def test_update_in_place_operator(db):
    same = db
    db |= FRUIT
    db |= [(b"elder", b"black")]
    assert db is same and dict(db) == {**FRUIT, b"elder": b"black"}
    with pytest.raises(TypeError):
        db |= 7


def test_set_many(db):
    db.set_many(iter(FRUIT.items()))
    assert dict(db) == FRUIT
    with pytest.raises(TypeError):
        db.set_many({b"ab": 1}.keys() and 7)


@pytest.mark.parametrize("pairs", [FRUIT, UserDict(FRUIT)], ids=["a dict", "a mapping"])
def test_set_many_refuses_a_mapping(db, pairs):
    with pytest.raises(TypeError, match=r"update\(\)"):
        db.set_many(pairs)
    assert list(db) == []
    db.set_many(pairs.items())
    assert dict(db) == FRUIT


@pytest.mark.parametrize("item", ["k1", b"k1", bytearray(b"k1")])
def test_set_many_takes_no_text_for_a_pair(db, item):
    with pytest.raises(TypeError, match="element #1 is not a .key, value. pair but " + type(item).__name__):
        db.set_many([(b"a", b"1"), item])
    assert list(db) == []


def test_update_takes_text_apart_as_a_dict_does(path):
    with lsmkv.open(path, key="str", value="str") as db:
        db.update(["k1"])
        assert dict(db) == dict(["k1"]) == {"k": "1"}


def test_update_in_many_chunks(db):
    pairs = {os.urandom(16): os.urandom(1000) for _ in range(5000)}
    large = {b"large%d" % i: os.urandom(100_000) for i in range(5)}
    db.update({**pairs, **large})
    assert dict(db) == {**pairs, **large}


def test_update_keeps_earlier_chunks_and_drops_the_present_one(db):
    def source():
        for i in range(3000):
            yield b"%06d" % i, bytes(1000)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        db.update(source())
    kept = len(db)
    assert 1000 < kept < 3000, "two chunks of 1 MiB stay, what was staged after them does not"
    assert list(db) == [b"%06d" % i for i in range(kept)], "a prefix"


def test_the_last_of_equal_keys_wins(db):
    db.update([(b"k", b"%d" % i) for i in range(100)])
    assert db[b"k"] == b"99" and len(db) == 1


# ---- explicit writes ------------------------------------------------------------------------


def test_writes_return_growing_positions(db):
    seen = [db.put(b"a", b"1"), db.put(b"b", b"2", sync=False), db.delete(b"nobody"), db.delete_range(b"x", b"y")]
    seen.append(db.put(b"c", b"3", sync=True))
    assert seen == sorted(set(seen)) and db.lsn >= seen[-1]
    assert dict(db) == {b"a": b"1", b"b": b"2", b"c": b"3"}


def test_delete_is_blind(db):
    db.delete(b"nobody")
    db[b"k"] = b"v"
    db.delete(b"k", sync=True)
    assert not db


@pytest.mark.parametrize(
    "call",
    [
        "put()",
        "put(b'a')",
        "put(b'a', b'b', b'c')",
        "put(key=b'a', value=b'b')",
        "put(b'a', b'b', 3)",
        "put(b'a', b'b', time=3)",
        "delete()",
    ],
)
def test_wrong_arguments(db, call):
    with pytest.raises(TypeError):
        eval(f"db.{call}", {"db": db})


def test_clear(fruit):
    fruit.clear()
    assert list(fruit) == [] and not fruit
    fruit[b"a"] = b"1"
    assert list(fruit) == [b"a"]


# ---- manners --------------------------------------------------------------------------------


def test_it_is_a_mapping(fruit):
    assert isinstance(fruit, collections.abc.Mapping)
    assert dict(fruit) == {**fruit} == FRUIT
    match fruit:
        case {b"apple": colour}:
            assert colour == b"red"
        case _:
            raise AssertionError


def test_equality_is_identity(fruit, tmp_path):
    with lsmkv.open(tmp_path / "other") as other:
        other.update(FRUIT)
        assert fruit != other and fruit == fruit and hash(fruit) == hash(fruit)


def test_what_was_written_is_there_after_reopening(path):
    with lsmkv.open(path) as db:
        db.update(FRUIT)
        del db[b"date"]
    with lsmkv.open(path, "w") as db:
        assert dict(db) == {key: value for key, value in FRUIT.items() if key != b"date"}


def test_two_handles_of_one_process_share_the_store(path):
    with lsmkv.open(path) as one, lsmkv.open(path) as two:
        one[b"k"] = b"v"
        assert two[b"k"] == b"v"
        one.close()
        assert two[b"k"] == b"v"


def test_read_only(path):
    with lsmkv.open(path) as db:
        db.update(FRUIT)
    with lsmkv.open(path, "r") as db:
        assert dict(db) == FRUIT and db.get_many([b"apple"]) == [b"red"]
        for write in (
            lambda: db.put(b"k", b"v"),
            lambda: db.__setitem__(b"k", b"v"),
            lambda: db.__delitem__(b"apple"),
            lambda: db.delete(b"apple"),
            lambda: db.delete_range(None, None),
            lambda: db.clear(),
            lambda: db.update({b"k": b"v"}),
        ):
            with pytest.raises(lsmkv.ReadOnlyError):
                write()
        assert dict(db) == FRUIT


def test_a_temporary_store_goes_at_close():
    with lsmkv.open(None) as db:
        where = db.path
        db[b"k"] = b"v"
        assert os.path.isdir(where) and os.path.dirname(where) == tempfile.gettempdir()
        assert db.options["durability"] == "os"
    assert not os.path.exists(where)
    with lsmkv.open(None, durability="always") as db, lsmkv.open(None, options="durable") as preset:
        assert db.options["durability"] == preset.options["durability"] == "always"


def test_flag_n_starts_anew(path):
    with lsmkv.open(path) as db:
        db[b"k"] = b"v"
    with lsmkv.open(path, "n") as db:
        assert not db


def test_a_str_a_bytes_and_a_pathlike_path(path):
    for given in (path, str(path), os.fsencode(path)):
        with lsmkv.open(given) as db:
            assert os.fspath(given) == db.path
    with pytest.raises(TypeError):
        lsmkv.open(7)
    with pytest.raises(ValueError):
        lsmkv.open("a\0b")
