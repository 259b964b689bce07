"""Codecs: keys and values that are not bytes.

A *key codec* keeps order: `a < b` exactly when its bytes are in that order, so ranges and iteration go by the objects.

    >>> from lsmkv import codecs
    >>> codecs.i64.encode(-1) < codecs.i64.encode(0) < codecs.i64.encode(7)
    True
    >>> codecs.key("(str,i64)").encode(("cat", 7)).hex(" ")
    '63 61 74 00 80 00 00 00 00 00 00 07'

A *value codec* only has to find its way back.

    >>> codecs.json.encode({"name": "Ada", "born": 1815})
    b'{"name":"Ada","born":1815}'

A store is opened with a name or an object of either kind, `LSM(path, key="(str,i64)", value="json")`, keeps the names,
and refuses to be opened with others.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from lsmkv._core import KeyCodec, ValueCodec
from lsmkv._core import value_codec as _own

if TYPE_CHECKING:
    import datetime as _datetime
    import uuid as _uuid
    from collections.abc import Callable

    json: ValueCodec[Any]
    pickle: ValueCodec[Any]

__all__ = [
    "KeyCodec",
    "ValueCodec",
    "bool",
    "bytes",
    "datetime",
    "desc",
    "f64",
    "i64",
    "json",
    "key",
    "msgspec",
    "pickle",
    "str",
    "struct",
    "tuple_",
    "u64",
    "uuid",
    "value",
]

# From here on `str` is a codec; the builtin is builtins.str.
_K = TypeVar("_K")
_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_D = TypeVar("_D")
_T = TypeVar("_T")

# ---- keys -------------------------------------------------------------------------------------

bytes: KeyCodec[builtins.bytes] = KeyCodec("bytes")
str: KeyCodec[builtins.str] = KeyCodec("str")
i64: KeyCodec[int] = KeyCodec("i64")
u64: KeyCodec[int] = KeyCodec("u64")
f64: KeyCodec[float] = KeyCodec("f64")
bool: KeyCodec[builtins.bool] = KeyCodec("bool")
uuid: KeyCodec[_uuid.UUID] = KeyCodec("uuid")
datetime: KeyCodec[_datetime.datetime] = KeyCodec("datetime")


@overload
def key(name: Literal["bytes"], /) -> KeyCodec[builtins.bytes]: ...
@overload
def key(name: Literal["str"], /) -> KeyCodec[builtins.str]: ...
@overload
def key(name: Literal["i64", "u64"], /) -> KeyCodec[int]: ...
@overload
def key(name: Literal["f64"], /) -> KeyCodec[float]: ...
@overload
def key(name: builtins.str, /) -> KeyCodec[Any]: ...
def key(name: builtins.str, /) -> KeyCodec[Any]:
    """The key codec of a name. ValueError says what is wrong with one that is none.

        name    takes and gives                          sorted
        bytes   bytes; takes any buffer object           bytewise, stored as it is
        str     str without lone surrogates              by code point, stored as UTF-8
        i64     int from -2**63 to 2**63 - 1             by number, 8 bytes
        u64     int from 0 to 2**64 - 1                  by number, 8 bytes
        f64     float but NaN, int that is one exactly   by number, -0.0 is 0.0, 8 bytes
        bool    bool                                     False first, 1 byte
        uuid    uuid.UUID                                by its int, 16 bytes
        datetime  datetime with a time zone              by moment, comes back in UTC, 8 bytes
        (a,b)   tuple                                    from the left
        desc(a) as a                                     the other way around

    >>> key("(str,desc(i64))")
    lsmkv.codecs.key('(str,desc(i64))')
    """
    return KeyCodec(name)


@overload
def tuple_(a: KeyCodec[_A], /) -> KeyCodec[tuple[_A]]: ...
@overload
def tuple_(a: KeyCodec[_A], b: KeyCodec[_B], /) -> KeyCodec[tuple[_A, _B]]: ...
@overload
def tuple_(a: KeyCodec[_A], b: KeyCodec[_B], c: KeyCodec[_C], /) -> KeyCodec[tuple[_A, _B, _C]]: ...
@overload
def tuple_(
    a: KeyCodec[_A], b: KeyCodec[_B], c: KeyCodec[_C], d: KeyCodec[_D], /
) -> KeyCodec[tuple[_A, _B, _C, _D]]: ...
@overload
def tuple_(*codecs: KeyCodec[Any]) -> KeyCodec[tuple[Any, ...]]: ...
def tuple_(*codecs: KeyCodec[Any]) -> KeyCodec[Any]:
    """Tuples of as many elements as there are codecs, compared from the left. They may be nested.

    >>> visits = tuple_(str, desc(datetime))
    >>> visits.name
    '(str,desc(datetime))'
    >>> pairs = tuple_(str, i64)
    >>> pairs.encode(("a", 2)) < pairs.encode(("a", 10)) < pairs.encode(("ab", 1))
    True
    """
    return KeyCodec("(" + ",".join([_key_name(codec) for codec in codecs]) + ")")


def desc(codec: KeyCodec[_K], /) -> KeyCodec[_K]:
    """The same keys in descending order, alone or as an element of a tuple.

    >>> desc(i64).encode(2) < desc(i64).encode(1)
    True
    """
    return KeyCodec("desc(" + _key_name(codec) + ")")


def _key_name(codec: KeyCodec[Any]) -> builtins.str:
    if not isinstance(codec, KeyCodec):
        raise TypeError(f"{codec!r} is not a key codec: use those of lsmkv.codecs, or key() of a name")
    return codec.name


# ---- values -----------------------------------------------------------------------------------


@overload
def value(name: Literal["bytes"], /) -> ValueCodec[builtins.bytes]: ...
@overload
def value(name: Literal["str"], /) -> ValueCodec[builtins.str]: ...
@overload
def value(name: builtins.str, /) -> ValueCodec[Any]: ...
def value(name: builtins.str, /) -> ValueCodec[Any]:
    """The value codec of a name: bytes, str, json, struct:FORMAT, msgspec or pickle.

    ValueError for a name that is none of them: make your own with ValueCodec(name, encode, decode).

    >>> value("str").encode("naïve")
    b'na\\xc3\\xafve'
    """
    if name in ("bytes", "str"):
        return _own(name, None, None, (value, (name,)))
    if name == "json":
        return _json()
    if name == "pickle":
        return _pickle()
    if name == "msgspec":
        return msgspec()
    if name.startswith("struct:"):
        return struct(name.removeprefix("struct:"))
    raise ValueError(
        f"{name!r} is no value codec of lsmkv: these are bytes, str, json, struct:FORMAT, msgspec and pickle; "
        "for another give value= the ValueCodec itself"
    )


def struct(format: builtins.str, /) -> ValueCodec[Any]:
    """Packed by the struct module. One field is given and taken bare, several are a tuple.

    format: with a byte order, "<", ">" or "!", so that every machine reads the same. ValueError for another.

    >>> struct("<q").decode(struct("<q").encode(7))
    7
    >>> struct("<Hd").decode(struct("<Hd").encode((3, 0.5)))
    (3, 0.5)
    """
    import struct as module

    if format[:1] not in ("<", ">", "!"):
        raise ValueError(f"struct format {format!r} has no byte order: begin it with <, > or !")
    try:
        packer = module.Struct(format)
        fields = len(packer.unpack(builtins.bytes(packer.size)))
    except module.error as error:
        raise ValueError(f"struct format {format!r}: {error}") from None
    if fields == 0:
        raise ValueError(f"struct format {format!r} has no field")

    def encode_one(field: Any) -> builtins.bytes:
        return packer.pack(field)

    def encode_many(fields: tuple[Any, ...]) -> builtins.bytes:
        return packer.pack(*fields)

    def decode_one(data: builtins.bytes) -> Any:
        return packer.unpack(data)[0]

    name = "struct:" + format
    remake = (value, (name,))
    if fields == 1:
        return _own(name, encode_one, decode_one, remake)
    return _own(name, encode_many, packer.unpack, remake)


@overload
def msgspec() -> ValueCodec[Any]: ...
@overload
def msgspec(type: builtins.type[_T], /) -> ValueCodec[_T]: ...
def msgspec(type: Any = Any, /) -> ValueCodec[Any]:
    """MessagePack by msgspec, which comes with `pip install lsmkv[msgspec]`.

    type: what decode makes and checks, such as a msgspec.Struct or dict[str, int]; not part of the name.
    ImportError when msgspec is not installed.
    """
    try:
        from msgspec import msgpack
    except ImportError as error:
        raise ImportError(
            "value codec 'msgspec' needs the package msgspec: pip install lsmkv[msgspec]", name="msgspec"
        ) from error
    return _own("msgspec", msgpack.Encoder().encode, msgpack.Decoder(type).decode, (msgspec, (type,)))


def _json() -> ValueCodec[Any]:
    """UTF-8 without spaces. What comes back is what JSON has: lists for tuples, str for the keys of a dict."""
    from json import JSONDecoder, JSONEncoder

    dump = JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
    load = JSONDecoder().decode

    def encode(object: Any) -> builtins.bytes:
        try:
            return dump(object).encode()
        except (TypeError, ValueError) as error:
            raise (TypeError if isinstance(error, TypeError) else ValueError)(
                f"a value of codec 'json' is what JSON has (dict, list, str, int, float, bool, None): {error}"
            ) from None

    def decode(data: builtins.bytes) -> Any:
        return load(data.decode())

    return _own("json", encode, decode, (value, ("json",)))


def _pickle() -> ValueCodec[Any]:
    """Any object that can be pickled. Reading runs whatever code was stored: no file can ask for it, only a caller."""
    from pickle import dumps, loads

    def encode(object: Any) -> builtins.bytes:
        return dumps(object, protocol=5)

    return _own("pickle", encode, loads, (value, ("pickle",)))


_LATER: dict[builtins.str, Callable[[], ValueCodec[Any]]] = {"json": _json, "pickle": _pickle}


def __getattr__(name: builtins.str) -> ValueCodec[Any]:
    """`json` and `pickle` import what they need when they are first asked for."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = globals()[name] = _LATER[name]()
    return made
