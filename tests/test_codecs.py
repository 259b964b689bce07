"""Codecs: for keys that the bytes are in the order of the objects, for all that they come back."""

import copy
import datetime
import decimal
import doctest
import enum
import functools
import gc
import math
import operator
import pickle
import random
import struct
import sys
import uuid
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import lsmkv
from lsmkv import _core, codecs

UTC = datetime.timezone.utc
AWARE = datetime.datetime(2026, 1, 1, tzinfo=UTC)

# ---- any key codec, and keys for it -------------------------------------------------------------

# Few symbols, so that keys share beginnings; those that the encoding treats on their own among them.
ZONES = st.integers(-1439, 1439).map(lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)))
DATETIMES = st.datetimes(
    datetime.datetime(1, 1, 3), datetime.datetime(9999, 12, 29), timezones=ZONES
) | st.sampled_from(
    [
        datetime.datetime.min.replace(tzinfo=UTC),
        datetime.datetime.max.replace(tzinfo=UTC),
        datetime.datetime(1970, 1, 1, tzinfo=UTC),
        datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ]
)


def integers(low, high):
    edges = [n + d for n in (low, high, 0, 255, 1 << 32) for d in (-1, 0, 1) if low <= n + d <= high]
    return st.integers(low, high) | st.sampled_from(edges)


ELEMENTS = {
    "bytes": st.lists(st.sampled_from([0, 1, 2, 65, 254, 255]), max_size=6).map(bytes) | st.binary(max_size=300),
    "str": st.text("\0\1\2aé\u07ff\u0800\uffff\U00010000\U0010ffff", max_size=6) | st.text(max_size=100),
    "i64": integers(-(2**63), 2**63 - 1),
    "u64": integers(0, 2**64 - 1),
    "f64": st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 5e-324, -5e-324, math.inf, -math.inf, 1.0]),
    "bool": st.booleans(),
    "uuid": st.uuids() | st.sampled_from([0, 1, 2**64 - 1, 2**64, 2**127, 2**128 - 1]).map(lambda n: uuid.UUID(int=n)),
    "datetime": DATETIMES,
}


def compound(inner):
    return st.lists(inner, min_size=1, max_size=4).map(tuple) | inner.map(lambda one: ["desc", one])


# "i64", ["desc", shape] or a tuple of shapes
SHAPES = st.recursive(st.sampled_from(sorted(ELEMENTS)), compound, max_leaves=6)


def depth_of(shape):
    if isinstance(shape, str):
        return 0
    return 1 + (depth_of(shape[1]) if isinstance(shape, list) else max(map(depth_of, shape)))


SHAPES = SHAPES.filter(lambda shape: depth_of(shape) <= 8)


def name_of(shape):
    if isinstance(shape, str):
        return shape
    return f"desc({name_of(shape[1])})" if isinstance(shape, list) else f"({','.join(map(name_of, shape))})"


def keys_of(shape):
    if isinstance(shape, str):
        return ELEMENTS[shape]
    return keys_of(shape[1]) if isinstance(shape, list) else st.tuples(*map(keys_of, shape))


def compare(shape, a, b):
    """By Python's own operators: negative, 0, positive."""
    if isinstance(shape, list):
        return -compare(shape[1], a, b)
    if isinstance(shape, tuple):
        return next(filter(None, map(compare, shape, a, b)), 0)
    return (a > b) - (a < b)


@st.composite
def pairs(draw):
    """A codec and two keys that often have elements in common."""
    shape = draw(SHAPES)
    a, b = draw(keys_of(shape)), draw(keys_of(shape))
    if isinstance(shape, tuple) and draw(st.booleans()):
        shared = draw(st.integers(0, len(shape)))
        b = a[:shared] + b[shared:]
    return shape, a, b


@given(pairs())
@example((("str", "i64"), ("a", -1), ("a\0", -(2**63))))
@example(((["desc", "str"],), ("a",), ("a\0",)))
@example((["desc", "bytes"], b"", b"\0"))
@example(("f64", -0.0, 0.0))
def test_bytes_are_in_the_order_of_the_keys(pair):
    shape, a, b = pair
    codec = codecs.key(name_of(shape))
    encoded_a, encoded_b = codec.encode(a), codec.encode(b)
    assert (encoded_a > encoded_b) - (encoded_a < encoded_b) == compare(shape, a, b)


@given(pairs())
def test_a_key_comes_back(pair):
    shape, key, _ = pair
    codec = codecs.key(name_of(shape))
    back = codec.decode(codec.encode(key))
    assert back == key and type(back) is type(key)
    assert codec.encode(back) == codec.encode(key)


@given(SHAPES.flatmap(lambda shape: st.tuples(st.just(shape), st.lists(keys_of(shape), max_size=20))))
def test_sorting_bytes_sorts_keys(case):
    shape, keys = case
    codec = codecs.key(name_of(shape))
    by_bytes = [codec.decode(data) for data in sorted(map(codec.encode, keys))]
    assert by_bytes == sorted(keys, key=functools.cmp_to_key(functools.partial(compare, shape)))


@st.composite
def damaged(draw):
    shape = draw(SHAPES)
    codec = codecs.key(name_of(shape))
    data = bytearray(codec.encode(draw(keys_of(shape))))
    for _ in range(draw(st.integers(1, 3))):
        at, byte = draw(st.integers(0, len(data))), draw(st.sampled_from([0, 1, 2, 127, 128, 254, 255]))
        change = draw(st.sampled_from(["set", "insert", "cut", "drop"]))
        if change == "insert":
            data.insert(at, byte)
        elif change == "cut":
            del data[at:]
        elif at < len(data):
            data[at : at + 1] = [byte] if change == "set" else []
    return codec, bytes(data)


@given(damaged() | st.tuples(SHAPES.map(name_of).map(codecs.key), st.binary(max_size=40)))
def test_other_bytes_are_refused_or_are_the_key_they_say(case):
    codec, data = case
    try:
        key = codec.decode(data)
    except lsmkv.DecodeError as error:
        assert codec.name in str(error)
    else:
        assert codec.encode(key) == data


@given(SHAPES)
def test_the_name_makes_the_codec_again(shape):
    codec = codecs.key(name_of(shape))
    assert codec.name == name_of(shape) and codecs.key(codec.name) == codec
    assert codecs.key(codec.name.replace(",", " , ").replace("(", "( ")) == codec

    def build(shape):
        if isinstance(shape, str):
            return getattr(codecs, shape)
        return codecs.desc(build(shape[1])) if isinstance(shape, list) else codecs.tuple_(*map(build, shape))

    assert build(shape) == codec


def test_datetimes_are_ordered_by_moment():
    """Two datetimes of one zone compare by the clock on the wall, also in the hour that comes twice; moments do not."""

    class Berlin(datetime.tzinfo):
        def utcoffset(self, when):
            return datetime.timedelta(hours=1 if when.fold else 2)

        def dst(self, when):
            return datetime.timedelta(hours=0 if when.fold else 1)

    summer = datetime.datetime(2026, 10, 25, 2, 30, tzinfo=Berlin())
    winter = summer.replace(fold=1)
    assert summer == winter and codecs.datetime.encode(summer) < codecs.datetime.encode(winter)
    back = codecs.datetime.decode(codecs.datetime.encode(winter))
    assert back == datetime.datetime(2026, 10, 25, 1, 30, tzinfo=UTC) and back.tzinfo is UTC


def test_subclasses_and_their_like_are_taken():
    class Weekday(enum.IntEnum):
        TUESDAY = 2

    class Word(str):
        pass

    class Moment(datetime.datetime):
        pass

    class Count:
        def __index__(self):
            return 7

    class Point(tuple):
        pass

    assert codecs.i64.decode(codecs.i64.encode(Weekday.TUESDAY)) == 2
    assert codecs.u64.decode(codecs.u64.encode(Count())) == 7
    assert codecs.str.encode(Word("cat")) == b"cat" and codecs.desc(codecs.str).encode(Word("cat"))
    moment = Moment(2026, 1, 1, tzinfo=UTC)
    assert codecs.datetime.decode(codecs.datetime.encode(moment)) == moment
    assert codecs.key("(i64,i64)").encode(Point((1, 2))) == codecs.key("(i64,i64)").encode((1, 2))
    for data in (bytearray(b"k"), memoryview(b"k")):
        assert codecs.bytes.encode(data) == b"k" and codecs.key("(bytes)").encode((data,)) == b"k\0"
    assert codecs.f64.encode(3) == codecs.f64.encode(3.0) and codecs.f64.encode(-(2**70)) == codecs.f64.encode(
        -(2.0**70)
    )
    assert codecs.i64.decode(bytearray(codecs.i64.encode(5))) == 5


# ---- what is refused ------------------------------------------------------------------------------


EAST = datetime.timezone(datetime.timedelta(hours=1))


@pytest.mark.parametrize(
    "name, key, kind, words",
    [
        ("bytes", "cat", TypeError, "key must be bytes, not str"),
        ("bytes", 7, TypeError, "not int"),
        ("str", b"cat", TypeError, r"codec 'str' must be str, not bytes: use .decode\(\), or key=\"bytes\""),
        ("str", 7, TypeError, r"use str\(\)"),
        ("str", "\ud800", ValueError, "lone surrogate"),
        ("(str)", ("\udfff",), ValueError, r"key\[0\] of codec '\(str\)'.*lone surrogate"),
        ("i64", True, TypeError, "must be int, not bool"),
        ("i64", 1.0, TypeError, "must be int, not float"),
        ("i64", "1", TypeError, "must be int, not str"),
        ("i64", 2**63, ValueError, "from -2..63 to 2..63 - 1"),
        ("i64", -(2**63) - 1, ValueError, "i64"),
        ("i64", 10**400, ValueError, "i64"),
        ("u64", -1, ValueError, "from 0 to 2..64 - 1"),
        ("u64", 2**64, ValueError, "u64"),
        ("u64", False, TypeError, "bool"),
        ("f64", math.nan, ValueError, "NaN has no place in an order"),
        ("f64", 2**53 + 1, ValueError, "no float is exactly this int"),
        ("f64", 10**400, ValueError, "no float is exactly this int"),
        ("f64", True, TypeError, "must be float or int, not bool"),
        ("f64", decimal.Decimal("1"), TypeError, r"not decimal.Decimal: use float\(\)"),
        ("bool", 1, TypeError, r"must be bool, not int: use bool\(\)"),
        ("uuid", "00000000-0000-0000-0000-000000000000", TypeError, r"use uuid.UUID\(\)"),
        ("datetime", datetime.datetime(2026, 1, 1), ValueError, r"without a time zone.*\.astimezone\(\).*\.replace\("),
        ("datetime", datetime.date(2026, 1, 1), TypeError, "not datetime.date"),
        ("datetime", "2026-01-01", TypeError, "fromisoformat"),
        ("datetime", datetime.datetime.min.replace(tzinfo=EAST), ValueError, "years 1"),
        ("(str,i64)", ["a", 1], TypeError, r"must be a tuple, not list: use tuple\(\)"),
        ("(str,i64)", "a", TypeError, "must be a tuple, not str"),
        ("(str,i64)", ("a",), TypeError, "a tuple of 2, not of 1"),
        ("(str,i64)", ("a", 1, 2), TypeError, "a tuple of 2, not of 3"),
        ("(str,(i64,desc(bool)))", ("a", (1, 2)), TypeError, r"key\[1\]\[1\] of codec .* must be bool"),
        ("(bytes)", (b"x" * 70_000,), ValueError, "at most 65535"),
    ],
)  # fmt: skip
def test_keys_that_are_none(name, key, kind, words):
    with pytest.raises(kind, match=words) as caught:
        codecs.key(name).encode(key)
    assert type(caught.value) is kind


def test_what_an_elements_own_code_raises_goes_through():
    class Broken:
        def __index__(self):
            raise ZeroDivisionError

    class Nowhere(datetime.tzinfo):
        def utcoffset(self, when):
            raise ZeroDivisionError

    for codec, key in [(codecs.i64, Broken()), (codecs.datetime, datetime.datetime(2026, 1, 1, tzinfo=Nowhere()))]:
        with pytest.raises(ZeroDivisionError):
            codec.encode(key)


@pytest.mark.parametrize("name", ["", "i32", "(", "()", "(str", "(str,)", "str,i64", "desc", "desc()", "desc(str,i64)",
                                  "STR", "str\0", "é", "tuple(str)", "(" * 9 + "i64" + ")" * 9,
                                  "(" + ",".join(["i64"] * 64) + ")", " " * 1022 + "i64"])  # fmt: skip
def test_names_that_are_none(name):
    with pytest.raises(ValueError, match="key codec .*position"):
        codecs.key(name)


def test_key_codecs_take_names_only():
    for wrong in (b"str", None, 7, str):
        with pytest.raises(TypeError):
            codecs.key(wrong)
    with pytest.raises(ValueError, match="surrogate"):
        codecs.key("\ud800")
    for wrong in ("str", codecs.json, str):
        with pytest.raises(TypeError, match="is not a key codec"):
            codecs.desc(wrong)
        with pytest.raises(TypeError, match="is not a key codec"):
            codecs.tuple_(codecs.str, wrong)
    with pytest.raises(ValueError):
        codecs.tuple_()


def test_bytes_that_are_no_key_are_shown_escaped_and_cut():
    with pytest.raises(lsmkv.DecodeError) as caught:
        codecs.key("(str,i64)").decode(b"\x1b[31m" + b"a" * 1000)
    assert r"b'\x1b[31maaa" in str(caught.value) and "..." in str(caught.value) and len(str(caught.value)) < 300
    assert "1005 bytes" in str(caught.value) and isinstance(caught.value, ValueError | lsmkv.LsmkvError)
    with pytest.raises(TypeError):
        codecs.str.decode("text")


@given(pairs())
def test_keys_begin_with_their_prefix_and_no_others_do(pair):
    shape, key, other = pair
    codec = codecs.key(name_of(shape))
    plain = shape in ("bytes", "str")
    while isinstance(shape, list):
        shape = shape[1]
    if not plain and not isinstance(shape, tuple):
        with pytest.raises(TypeError, match="have no prefix: use a range"):
            codec.prefix(key)
        return
    for size in range(len(key) + 1):
        prefix = codec.prefix(key[:size])
        assert codec.encode(key).startswith(prefix)
        assert codec.encode(other).startswith(prefix) == (other[:size] == key[:size])


@pytest.mark.parametrize(
    "prefix, words", [("a", "must be a tuple"), (("a", 1, 2), "at most 2, not of 3"), ((1,), r"key\[0\].*must be str")]
)
def test_prefixes_that_are_none(prefix, words):
    with pytest.raises(TypeError, match=words):
        codecs.key("(str,i64)").prefix(prefix)


# ---- values ---------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(JSON)
def test_json_comes_back(value):
    assert codecs.json.decode(codecs.json.encode(value)) == value


@given(st.text())
def test_str_values_come_back(text):
    assert codecs.value("str").encode(text) == text.encode() and codecs.value("str").decode(text.encode()) == text


def test_bytes_values_are_themselves():
    assert codecs.value("bytes").encode(bytearray(b"v")) == b"v" and codecs.value("bytes").decode(b"v") == b"v"
    with pytest.raises(TypeError, match="value must be bytes, not str"):
        codecs.value("bytes").encode("v")


def test_json_is_small_and_says_what_it_cannot_do():
    assert codecs.json.encode({"é": [1, None]}) == '{"é":[1,null]}'.encode()
    with pytest.raises(TypeError, match="codec 'json' is what JSON has .dict, list.*: Object of type set"):
        codecs.json.encode({1})
    with pytest.raises(ValueError, match="codec 'json' is what JSON has .*surrogates not allowed"):
        codecs.json.encode("\ud800")


def test_struct():
    one, two = codecs.struct("<q"), codecs.value("struct:>Hd")
    assert one.name == "struct:<q" and one.decode(one.encode(-5)) == -5 and one.encode(1) == b"\1" + bytes(7)
    assert two.decode(two.encode((3, 0.5))) == (3, 0.5) and two == codecs.struct(">Hd")
    with pytest.raises(struct.error):
        one.encode("text")
    with pytest.raises(lsmkv.DecodeError, match="struct:<q"):
        one.decode(b"short")
    for wrong in ("q", "@q", "=q", "<", "<x", "<?z", "", "<\ud800"):
        with pytest.raises(ValueError):
            codecs.struct(wrong)


def test_msgspec():
    pytest.importorskip("msgspec", reason="needs msgspec: pip install lsmkv[msgspec]")
    assert codecs.msgspec().decode(codecs.value("msgspec").encode({"a": [1, b"x"]})) == {"a": [1, b"x"]}
    typed = codecs.msgspec(dict[str, int])
    assert typed.name == "msgspec" and typed.decode(typed.encode({"a": 1})) == {"a": 1}
    with pytest.raises(lsmkv.DecodeError, match="msgspec") as caught:
        typed.decode(codecs.msgspec().encode({"a": "secret"}))
    assert "secret" not in str(caught.value) and caught.value.__cause__ is not None
    again = pickle.loads(pickle.dumps(typed))
    with pytest.raises(lsmkv.DecodeError):
        again.decode(codecs.msgspec().encode({"a": "text"}))


def test_msgspec_that_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "msgspec", None)
    with pytest.raises(ImportError, match=r"pip install lsmkv\[msgspec\]"):
        codecs.value("msgspec")


def test_pickle():
    assert codecs.pickle.decode(codecs.pickle.encode({1: {2}})) == {1: {2}}
    assert codecs.value("pickle") == codecs.pickle


def shout(text):
    return text.upper().encode()


def listen(data):
    return data.decode()


def test_one_of_your_own():
    codec = codecs.ValueCodec("shouting", shout, listen)
    assert codec.encode("hey") == b"HEY" and codec.decode(b"HEY") == "HEY" and "shouting" in repr(codec)
    again = pickle.loads(pickle.dumps(codec))
    assert again == codec and again.encode("hey") == b"HEY"
    assert codecs.ValueCodec("b", lambda v: memoryview(v), bytes).encode(b"v") == b"v"


@pytest.mark.parametrize("name", ["bytes", "str", "json", "msgspec", "pickle", "struct:<q", "struct:"])
def test_names_of_lsmkv_are_not_given_away(name):
    with pytest.raises(ValueError, match="lsmkv's own"):
        codecs.ValueCodec(name, shout, listen)
    with pytest.raises(ValueError, match="none of lsmkv's own"):
        _core.value_codec("shouting", shout, listen, (list, ()))


@pytest.mark.parametrize("wrong", ["", "\n", "a\0b", "x" * 1025, "\ud800"])
def test_names_of_values_can_be_stored_and_shown(wrong):
    with pytest.raises(ValueError):
        codecs.ValueCodec(wrong, shout, listen)
    with pytest.raises(ValueError):
        codecs.value(wrong)


def test_value_codecs_need_callables():
    for arguments in [("x", None, listen), ("x", shout, 7), ("x", shout), (b"x", shout, listen)]:
        with pytest.raises(TypeError):
            codecs.ValueCodec(*arguments)


def test_an_encoder_must_return_bytes():
    with pytest.raises(TypeError, match="encode.. of value codec 'x' must return bytes, not str"):
        codecs.ValueCodec("x", str, listen).encode("v")


@pytest.mark.parametrize("raised", [KeyError, LookupError, ZeroDivisionError, RecursionError])
def test_what_a_decoder_raises_is_the_cause(raised):
    """A KeyError from a decoder must not look like a key that is not there."""

    def broken(data):
        raise raised("secret")

    with pytest.raises(lsmkv.DecodeError, match="value codec 'x' cannot decode a value of 5 bytes") as caught:
        codecs.ValueCodec("x", shout, broken).decode(b"value")
    assert type(caught.value.__cause__) is raised and "secret" not in str(caught.value)


@pytest.mark.parametrize("raised", [KeyboardInterrupt, MemoryError, lsmkv.ClosedError])
def test_what_has_nothing_to_do_with_the_bytes_goes_through(raised):
    def broken(data):
        raise raised

    with pytest.raises(raised):
        codecs.ValueCodec("x", shout, broken).decode(b"value")


def test_values_that_are_no_text():
    with pytest.raises(lsmkv.DecodeError, match="'str' cannot decode a value of 3 bytes"):
        codecs.value("str").decode(b"\xff\xfe\xfd")
    with pytest.raises(TypeError, match=r"use .decode\(\), or value=\"bytes\""):
        codecs.value("str").encode(b"v")
    with pytest.raises(ValueError, match="lone surrogate"):
        codecs.value("str").encode("\ud800")


# ---- the objects ----------------------------------------------------------------------------------

EVERY = [
    codecs.bytes, codecs.str, codecs.i64, codecs.datetime, codecs.key("(str,desc(i64))"),
    codecs.json, codecs.pickle, codecs.struct("<q"), codecs.value("str"), codecs.value("bytes"),
    codecs.ValueCodec("shouting", shout, listen),
]  # fmt: skip


@pytest.mark.parametrize("codec", EVERY, ids=repr)
def test_codecs_are_equal_by_name_and_never_change(codec):
    for again in (copy.copy(codec), copy.deepcopy(codec), pickle.loads(pickle.dumps(codec))):
        assert again == codec and hash(again) == hash(codec) and again.name == codec.name and not again != codec
        assert type(again) is type(codec) and repr(again) == repr(codec)
    assert codec != codec.name and codec not in (codecs.u64, codecs.ValueCodec("other", shout, listen))
    for attribute in ("name", "encode", "anything"):
        with pytest.raises((AttributeError, TypeError)):
            setattr(codec, attribute, "x")
    with pytest.raises(TypeError):
        operator.lt(codec, codec)


def test_a_key_codec_is_no_value_codec():
    assert codecs.str != codecs.value("str")


def test_the_types():
    for kind in (codecs.KeyCodec, codecs.ValueCodec):
        assert kind.__module__ == "lsmkv.codecs" and kind.__doc__ and kind[int].__origin__ is kind
        with pytest.raises(TypeError):
            kind.anything = 1
        with pytest.raises(TypeError):
            type("Sub", (kind,), {})
        with pytest.raises(TypeError):
            object.__new__(kind)
    assert repr(codecs.i64) == "lsmkv.codecs.key('i64')" and repr(codecs.json) == "lsmkv.codecs.value('json')"


def test_every_name_is_there():
    assert all(getattr(codecs, name) is not None for name in codecs.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = codecs.nothing
    with pytest.raises(ValueError, match="is no value codec of lsmkv"):
        codecs.value("nothing")


def test_docstrings_say_what_is_so():
    failed, tried = doctest.testmod(codecs)
    assert tried >= 12 and failed == 0


def test_importing_costs_nothing_that_is_not_used(run_python):
    code = """
import sys
before = set(sys.modules)
import lsmkv
lsmkv.codecs.i64.encode(1)
print(*set(sys.modules) - before)
"""
    loaded = set(run_python(code).stdout.split())
    assert "lsmkv.codecs" in loaded and not loaded & {"json", "struct", "uuid", "datetime", "pickle", "msgspec"}


def test_exceptions():
    assert issubclass(lsmkv.CodecMismatchError, lsmkv.LsmkvError) and issubclass(lsmkv.CodecMismatchError, TypeError)
    assert issubclass(lsmkv.DecodeError, lsmkv.LsmkvError) and issubclass(lsmkv.DecodeError, ValueError)
    assert lsmkv.ConflictError.__mro__[1] is lsmkv.LsmkvError


# ---- collector, leaks, interpreters ---------------------------------------------------------------


@pytest.mark.parametrize("on", [True, False])
def test_the_collector_is_left_as_it_was(on):
    """Decoding bytes that may be lent turns it off for a moment."""
    (gc.enable if on else gc.disable)()
    try:
        codecs.i64.decode(codecs.i64.encode(1)), codecs.value("str").decode(b"v")
        for codec in (codecs.i64, codecs.str, codecs.value("str")):
            with pytest.raises(lsmkv.DecodeError):
                codec.decode(b"\xfe")
        assert gc.isenabled() is on
    finally:
        gc.enable()


def test_a_codec_in_a_cycle_is_collected():
    class Holder:
        def encode(self, value):
            return value

        def __del__(self):
            died.append(True)

    died = []
    holder = Holder()
    holder.codec = codecs.ValueCodec("mine", holder.encode, bytes)
    del holder
    gc.collect()
    assert died == [True]


def quietly(call, *arguments):
    try:
        call(*arguments)
    except (AttributeError, TypeError, ValueError, struct.error):
        pass


def uses(codec, key):
    """All that can be done with a codec, by name."""
    data = codec.encode(key)
    return {
        "encode": lambda: codec.encode(key),
        "decode": lambda: codec.decode(data),
        "refuse to encode": lambda: quietly(codec.encode, 7 + 0j),
        "refuse to decode": lambda: quietly(codec.decode, b"\xfe"),
        "refuse what is no bytes": lambda: quietly(codec.decode, 7 + 0j),
        "look": lambda: (repr(codec), hash(codec), codec == codecs.i64, codec.name),
        "copy": lambda: copy.copy(codec),
        "pickle": lambda: pickle.loads(pickle.dumps(codec)),
    }


USES = {
    **uses(codecs.str, "kätze" * 100),
    **{f"{use} a tuple": call for use, call in uses(
        codecs.key("(str,(bytes,desc(str)),f64,uuid,datetime)"),
        ("a" * 400, (b"\0\1" * 300, "b"), 1.5, uuid.UUID(int=2**127), AWARE)
    ).items()},
    **{f"{use} bytes": call for use, call in uses(codecs.desc(codecs.bytes), b"b" * 300).items()},
    **{f"{use} a u64": call for use, call in uses(codecs.u64, 2**64 - 1).items()},
    **{f"{use} json": call for use, call in uses(codecs.json, {"a": [1]}).items()},
    **{f"{use} a struct": call for use, call in uses(codecs.struct("<qd"), (1, 2.5)).items()},
    **{f"{use} a str value": call for use, call in uses(codecs.value("str"), "b" * 1000).items()},
    **{f"{use} one's own": call for use, call in uses(codecs.ValueCodec("mine", shout, listen), "b").items()},
    "a name that is none": lambda: quietly(codecs.key, "(str"),
    "another": lambda: quietly(codecs.value, "nothing"),
    "one half of a tuple": lambda: quietly(codecs.key("(i64,i64)").encode, (1, "a")),
    "too large": lambda: quietly(codecs.i64.encode, 2**70),
    "too small": lambda: quietly(codecs.u64.encode, -1),
    "no float": lambda: quietly(codecs.f64.encode, 2**53 + 1),
    "a surrogate": lambda: quietly(codecs.str.encode, "\ud800"),
    "no zone": lambda: quietly(codecs.datetime.encode, datetime.datetime(2026, 1, 1)),
    "a reserved name": lambda: quietly(codecs.ValueCodec, "json", shout, listen),
    "not callable": lambda: quietly(codecs.ValueCodec, "x", shout, 7),
    "not bytes": lambda: quietly(codecs.ValueCodec("x", str, listen).encode, "x"),
}  # fmt: skip


@pytest.fixture
def collector():
    """What is there already is left out of its collections, which are many here."""
    gc.freeze()
    yield gc
    gc.unfreeze()


@pytest.mark.parametrize("use", USES)
def test_nothing_leaks(use, collector):
    call, rounds = USES[use], 400
    for _ in range(100):
        call()
    collector.collect()
    blocks, objects = sys.getallocatedblocks(), len(gc.get_objects())
    for _ in range(rounds):
        call()
    collector.collect()
    assert sys.getallocatedblocks() - blocks < rounds / 2, "a block a round and something leaks"
    assert len(gc.get_objects()) - objects < rounds / 2


def test_arguments_keep_their_references():
    key, data = ("a" * 50, 10**6), bytearray(b"k")
    held = [key, key[0], key[1], codecs.json, data]
    before = [sys.getrefcount(one) for one in held]
    for _ in range(100):
        codecs.key("(str,i64)").encode(key)
        codecs.key("(bytes)").encode((data,))
        codecs.json.encode(key[0])
    assert [sys.getrefcount(one) for one in held] == before
    data.extend(b"is no longer exported")


def test_every_allocation_fails_once(run):
    """In a process of its own: those of whoever runs these tests would fail too."""
    _testcapi = pytest.importorskip("_testcapi", reason="this interpreter has no _testcapi to fail allocations with")
    if not hasattr(_testcapi, "set_nomemory"):
        pytest.skip("this interpreter cannot fail allocations")
    run(sys.executable, Path(__file__))


def every_allocation_fails_once(_testcapi):
    long = codecs.key("(str,bytes,datetime,uuid,f64)")
    key = ("ä" * 300, b"\0" * 300, AWARE, uuid.UUID(int=7), 2**60)
    data, mine, rotten = long.encode(key), codecs.ValueCodec("mine", shout, listen), b"\xff" * 3

    def call():
        long.encode(key), long.decode(data), codecs.key("(str,desc(i64))"), mine.encode("v"), mine.decode(b"v")
        for codec in (codecs.i64, codecs.value("str")):
            try:
                codec.decode(rotten)
            except lsmkv.DecodeError:
                pass

    call()
    failed = 0
    gc.disable()
    try:
        for nth in range(400):
            error = None
            _testcapi.set_nomemory(nth, nth + 1)
            try:
                call()
            except MemoryError:
                failed += 1
            except BaseException as other:
                error = other
            finally:
                _testcapi.remove_mem_hooks()
            assert error is None, (nth, error)
    finally:
        gc.enable()
    assert failed > 10
    assert long.decode(long.encode(key)) == key


def test_in_another_interpreter(run_python):
    """Each has its own types, and its own idea of what a UUID is."""
    code = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        sys.exit(0)
use = '''
import sys, datetime, uuid
sys.path[:] = {0!r}
from lsmkv import codecs
now = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
key = ("a", uuid.UUID(int=7), now)
codec = codecs.key("(str,uuid,desc(datetime))")
assert codec.decode(codec.encode(key)) == key
assert codecs.json.decode(codecs.json.encode([1])) == [1]
'''.format(sys.path)
exec(use)
for i in range(3):
    other = interpreters.create()
    wrong = interpreters.run_string(other, use)
    assert wrong is None, wrong
    interpreters.destroy(other)
exec(use)
"""
    run_python(code)


def test_threads_share_codecs():
    import threading

    codec, wrong = codecs.key("(str,desc(i64),datetime)"), []

    def work(seed):
        chance = random.Random(seed)
        for _ in range(2000):
            key = (str(chance.random()), chance.randrange(-(2**63), 2**63), AWARE)
            if codec.decode(codec.encode(key)) != key:
                wrong.append(key)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_shorter_tuple_bounds_a_range():
    """It stands before every tuple that begins with it, in Python and in the store."""
    with lsmkv.open(None, key="(str,i64)", value="json", threads=0) as db:
        keys = [("A", 1), ("B", -5), ("B", 2), ("D", 0), ("D\0", 1)]
        db.update((key, None) for key in keys)
        for start, stop in [(("B",), ("D",)), (("D",), None), (None, ("B", 2)), ((), ("B",))]:
            wanted = [key for key in keys if (start is None or start <= key) and (stop is None or key < stop)]
            assert list(db[start:stop]) == wanted
        assert db.ceiling(("B",)) == (("B", -5), None) and db.lower(("B",)) == (("A", 1), None)
        del db[("B",) : ("C",)]
        assert list(db) == [("A", 1), ("D", 0), ("D\0", 1)]
        with pytest.raises(TypeError):
            db[("B",)]


def test_a_shorter_tuple_bounds_nothing_that_is_turned_around():
    with lsmkv.open(None, key="desc((str,i64))", threads=0) as db, pytest.raises(TypeError):
        db[("B",) :]


if __name__ == "__main__":
    import _testcapi

    every_allocation_fails_once(_testcapi)


class Unfit:
    def __reduce__(self):
        return "no name of this module"


@pytest.mark.parametrize(
    "codec, value, kind",
    [
        ("struct:<i", "text", struct.error),
        ("struct:<i", 1 << 40, struct.error),
        ("pickle", lambda: None, (pickle.PicklingError, AttributeError)),
        ("pickle", Unfit(), pickle.PicklingError),
    ],
)
def test_what_a_library_raises_for_a_value_goes_through_and_nothing_is_stored(path, codec, value, kind):
    with lsmkv.open(path, value=codec) as db:
        with pytest.raises(kind) as caught:
            db[b"k"] = value
        assert not isinstance(caught.value, lsmkv.LsmkvError)
        assert len(db) == 0
