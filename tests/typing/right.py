"""What type checkers make of right uses: `make types` reads this file, tests/test_types.py runs it."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any  # noqa: F401  # in what assert_type says

import lsmkv
import lsmkv.aio
import lsmkv.dbm
from lsmkv import (
    ABSENT,
    LSM,
    Absent,
    Cursor,
    Difference,
    ItemsView,
    KeysView,
    Options,
    RangeView,
    Snapshot,
    Transaction,
    ValuesView,
    WriteBatch,
    codecs,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack, assert_type

    from lsmkv.options import Overrides
    from lsmkv.report.levels import Picture  # noqa: F401

else:

    def assert_type(value, _):
        return value


# ---- which store open() makes ----------------------------------------------------------------


def opening() -> None:
    assert_type(lsmkv.open(None), "LSM[bytes, bytes]")
    assert_type(lsmkv.open(None, key="bytes", value="bytes"), "LSM[bytes, bytes]")
    assert_type(lsmkv.open(None, value="str"), "LSM[bytes, str]")
    assert_type(lsmkv.open(None, value=codecs.json), "LSM[bytes, Any]")
    assert_type(lsmkv.open(None, value="json"), "LSM[bytes, Any]")
    assert_type(lsmkv.open(None, key="str"), "LSM[str, bytes]")
    assert_type(lsmkv.open(None, key="str", value="str"), "LSM[str, str]")
    assert_type(lsmkv.open(None, key="str", value=codecs.value("str")), "LSM[str, str]")
    assert_type(lsmkv.open(None, key="str", value="json"), "LSM[str, Any]")
    assert_type(lsmkv.open(None, key="str", value="struct:<q"), "LSM[str, Any]")
    assert_type(lsmkv.open(None, key=codecs.i64), "LSM[int, bytes]")
    assert_type(lsmkv.open(None, key=codecs.i64, value="str"), "LSM[int, str]")
    assert_type(lsmkv.open(None, key=codecs.i64, value=codecs.json), "LSM[int, Any]")
    assert_type(lsmkv.open(None, key=codecs.i64, value="json"), "LSM[int, Any]")
    assert_type(lsmkv.open(None, key="i64"), "LSM[Any, Any]")
    assert_type(lsmkv.open(None, key="(str,i64)", value="json"), "LSM[Any, Any]")
    assert_type(LSM(None), "LSM[bytes, bytes]")
    assert_type(LSM(None, key=codecs.str, value=codecs.value("str")), "LSM[str, str]")
    lsmkv.open(None, "n", options="teach", clock=lsmkv.ManualClock(), ttl=60, durability="os", threads=0).close()
    lsmkv.open(None, options=Options(ttl=1.5, page_bytes=512)).close()


def by_words(**overrides: Unpack[Overrides]) -> LSM[bytes, bytes]:
    return lsmkv.open(None, **overrides)


def key_codecs() -> None:
    assert_type(codecs.u64, "lsmkv.codecs.KeyCodec[int]")
    assert_type(codecs.f64.decode(codecs.f64.encode(0.5)), float)
    assert_type(codecs.bool.decode(codecs.bool.encode(True)), bool)
    assert_type(codecs.uuid.decode(codecs.uuid.encode(uuid.UUID(int=7))), uuid.UUID)
    moment = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)
    assert_type(codecs.datetime.decode(codecs.datetime.encode(moment)), datetime.datetime)
    visits = codecs.tuple_(codecs.str, codecs.desc(codecs.i64))
    assert_type(visits, "lsmkv.codecs.KeyCodec[tuple[str, int]]")
    with lsmkv.open(None, key=visits, value="str") as db:
        assert_type(db, "LSM[tuple[str, int], str]")
        db["ada", 3] = "x"
        assert_type(list(db), "list[tuple[str, int]]")
        assert_type(list(db.prefix(("ada",))), "list[tuple[str, int]]")
    text = codecs.ValueCodec("upper", lambda word: word.upper().encode(), bytes.decode)
    assert_type(lsmkv.open(None, value=text), "LSM[bytes, str]")


# ---- a store is a mapping --------------------------------------------------------------------


def total(m: Mapping[str, str]) -> int:
    return sum(map(len, m.values()))


def fill(m: MutableMapping[str, str]) -> None:
    m["k"] = "v"
    m.update({"l": "w"})


def size_of_any(db: LSM) -> int:  # a bare LSM takes every store
    return len(db)


def mapping() -> None:
    with lsmkv.open(None, key="str", value="str") as db:
        assert_type(db, "LSM[str, str]")
        fill(db)
        assert total(db) == 2 and size_of_any(db) == 2
        assert_type(db["k"], str)
        assert_type(db.get("k"), "str | None")
        assert_type(db.get("k", "none"), str)
        assert_type(db.get("k", 7), "str | int")
        assert_type(db.pop("k", "none"), str)
        assert_type(db.pop("k", None), "str | None")
        assert_type(db.setdefault("k", "v"), str)
        assert_type(db.pop("k"), str)
        assert_type(db.popitem(last=False), "tuple[str, str]")
        assert_type("k" in db, bool)
        db |= {"m": "x"}
        assert_type(db, "LSM[str, str]")
        db.update([("n", "y")], o="z")
        db.update(db["m":"n"])
        assert_type(iter(db), "lsmkv.Iterator[str]")
        assert_type(list(reversed(db)), "list[str]")
        assert_type(dict(db), "dict[str, str]")
        assert_type(db.get_many(["m", "q"]), "list[str | None]")
        assert_type(db.get_many(iter(["m", "q"]), 0), "list[str | int]")
        assert_type(db.first(), "tuple[str, str] | None")
        assert_type(db.floor("n"), "tuple[str, str] | None")
        assert_type(db.get_view("m"), "memoryview | None")
        assert_type(db.put("p", "v", ttl=60, sync=False), int)
        assert_type(db.ttl("p"), "float | None")
        assert_type(db.touch("p", 5) and db.persist("p"), bool)
        assert_type(db.delete_range("p", None), int)
        assert_type(db.add("p", "v"), bool)
        assert_type(db.compare_and_set("p", "v", ABSENT), bool)
        nothing: Absent = ABSENT
        assert_type(db.compare_and_set("p", nothing, nothing), bool)
        assert_type(db.merge("p", "v", op="concat"), str)
        assert_type(db.merge("p", "w", op=lambda old, new: old + new), str)
        db.incr("visits", 2)
        del db["m":"n"]
        del db["p"]


def views() -> None:
    with lsmkv.open(None, key="str") as db:
        db.update({"a": b"1", "b": b"2"})
        assert_type(db["a":"c"], "RangeView[str, bytes]")
        assert_type(db["a":"c"]["b":], "RangeView[str, bytes]")
        assert_type(db["a":"c"]["b"], bytes)
        assert_type(db.range("a", reverse=True).first(), "tuple[str, bytes] | None")
        assert_type(db.keys(), "KeysView[str]")
        assert_type(db.values(), "ValuesView[bytes]")
        assert_type(db.items(), "ItemsView[str, bytes]")
        assert_type(db.range().items().limit(1), "ItemsView[str, bytes]")
        assert_type(list(db.range().items()), "list[tuple[str, bytes]]")
        assert_type(db.keys() & {"a"}, "set[str]")
        assert_type(db.keys() | {1}, "set[str | int]")
        assert_type(db.keys().first(), "str | None")
        assert_type(list(db.range().chunks(2)), "list[list[str]]")
        assert_type(db.range().split(2), "list[RangeView[str, bytes]]")
        names: Iterable[str] = db.keys()
        assert list(names) == ["a", "b"]


def cursors() -> None:
    with lsmkv.open(None, key=codecs.i64, value="str") as db, db.cursor() as cursor:
        assert_type(cursor, "Cursor[int, str]")
        if cursor.seek(3):
            assert_type(cursor.item, "tuple[int, str]")
            assert_type(cursor.key, int)
            assert_type(cursor.value, str)


# ---- batches, snapshots, transactions, namespaces --------------------------------------------


def groups() -> None:
    with lsmkv.open(None, key="str", value="str") as db:
        users = db.namespace("users", key=codecs.i64, value=codecs.json)
        assert_type(users, "LSM[int, Any]")
        assert_type(db.namespace("plain"), "LSM[bytes, bytes]")
        assert_type(db.namespace("text", key="str", value="str", ttl=60), "LSM[str, str]")
        assert_type(db.namespace("named", key="i64", value="json"), "LSM[Any, Any]")
        assert_type(db.namespaces()["text"]["ttl"], "float | None")
        with db.batch() as batch:
            assert_type(batch, "WriteBatch[str, str]")
            batch["k"] = "v"
            assert_type(batch.namespace(users), "WriteBatch[int, Any]")
            batch.namespace(users)[7] = {"name": "Ada"}
        with db.snapshot() as then:
            assert_type(then, "Snapshot[str, str]")
            assert_type(then["k"], str)
            assert_type(then.namespace(users), "Snapshot[int, Any]")
            assert total(then) == 1
        with db.transaction() as tx:
            assert_type(tx, "Transaction[str, str]")
            assert_type(tx.namespace(users), "Transaction[int, Any]")
            assert_type(tx["k"], str)
            fill(tx)

        def length(tx: Transaction[str, str]) -> int:
            return len(tx["k"])

        assert_type(db.transact(length), int)
        assert_type(db.step(), "dict[str, Any] | None")
        assert_type(db.events()[0]["what"], str)
        assert_type(db.explain("k").found, "bool | None")
        assert_type(db.levels.svg(), "Picture")


class Bag(LSM[str, str]):
    """A subclass fixes what its keys and values are, and keeps its own type."""

    def words(self) -> list[str]:
        return list(self)


def subclasses() -> None:
    with Bag(None, key="str", value="str") as bag:
        assert_type(bag, Bag)
        bag["a"] = "b"
        assert_type(bag.words(), "list[str]")


def named_in_annotations(
    one: Snapshot[str, str] | Transaction[str, str] | WriteBatch[str, str] | Cursor[str, str],
    other: RangeView[str, str] | KeysView[str] | ValuesView[str] | ItemsView[str, str],
) -> None: ...


# ---- beside the store ------------------------------------------------------------------------


def beside() -> None:
    with lsmkv.open(None, key="str") as one, lsmkv.open(None) as other:
        changes: Iterator[Difference] = lsmkv.diff(other, other.range())
        assert_type(list(changes), "list[Difference]")
        assert_type(one.path, "str | bytes")
    try:
        lsmkv.open("/dev/null/nowhere", "r")
    except lsmkv.StorageError as error:
        assert_type(error.errno, "int | None")
    assert_type(lsmkv.features(), "dict[str, str | None]")
    assert lsmkv.dbm.whichdb(b"/dev/null/nowhere") is None


async def awaited() -> None:
    async with lsmkv.aio.open(None, key="str", value="str") as db:
        assert_type(db, "lsmkv.aio.AsyncLSM[str, str]")
        await db.put("k", "v", ttl=60)
        assert_type(await db["k"], str)
        assert_type(await db.get("k"), "str | None")
        assert_type(await db.get_many(["k"]), "list[str | None]")
        assert_type(await db.first(), "tuple[str, str] | None")
        assert_type([key async for key in db], "list[str]")
        assert_type([pair async for pair in db["a":"z"].items()], "list[tuple[str, str]]")
        pairs: AsyncIterator[tuple[str, str]] = aiter_of(db.items())
        assert [pair async for pair in pairs] == [("k", "v")]
        async with db.batch() as batch:
            assert_type(batch, "lsmkv.aio.AsyncWriteBatch[str, str]")
            batch["l"] = "w"
        async with db.snapshot() as then:
            assert_type(await then["l"], str)
            assert_type(await then.keys().count(), int)
        async with db.transaction() as tx:
            assert_type(tx, "lsmkv.aio.AsyncTransaction[str, str]")
            assert_type(await tx.setdefault("k", "x"), str)
            async with tx, tx.cursor() as cursor:
                assert_type(await cursor.seek("l"), bool)
                assert_type(cursor.item, "tuple[str, str]")
        async with db.namespace("n", key=codecs.i64, value="str") as space:
            assert_type(space, "lsmkv.aio.AsyncLSM[int, str]")
            async with db.batch() as batch, db.snapshot() as then:
                batch.namespace(space)[7] = "seven"
                assert_type(then.namespace(space), "lsmkv.aio.AsyncSnapshot[int, str]")
        assert_type(await db.transact(first_of), "str | None")
        assert_type(await db.transact(lambda tx: tx.get("k")), "str | None")
        assert_type([part async for part in db.items().chunks(3)], "list[list[tuple[str, str]]]")
        assert_type(await db.floor("z"), "tuple[str, str] | None")
        assert_type(await db.pop("nothing", 7), "str | int")
        reading: lsmkv.aio.AsyncSource[str, str] = db
        view: lsmkv.aio.AsyncView[str] = reading.keys()
        assert await view.count() == 2
        unborn: lsmkv.aio.AsyncWriteBatch[str, str] = db.batch()
        assert "AsyncWriteBatch" in type(unborn).__name__
    opening: lsmkv.aio.Opening[lsmkv.aio.AsyncLSM[int, bytes]] = lsmkv.aio.open(None, key=codecs.i64)
    numbers = await opening
    assert_type(numbers, "lsmkv.aio.AsyncLSM[int, bytes]")
    await numbers.close()


async def first_of(tx: lsmkv.aio.AsyncTransaction[str, str]) -> str | None:
    found = await tx.first()
    return found and found[1]


async def aiter_of(view: lsmkv.aio.AsyncItemsView[str, str]) -> AsyncIterator[tuple[str, str]]:
    async for pair in view:
        yield pair
