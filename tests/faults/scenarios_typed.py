"""What the family plays, second part: codecs, namespaces, and what expires."""

import datetime
import pickle
import uuid

from scenarios import ABSENT, CONTENT, DEFAULT, KEY, NEW, NUMBER, OPTIONS, VALUE, WORDS, on_path, on_store, refused
from world import load, lsmkv

codecs = lsmkv.codecs
CLOCK = lsmkv.ManualClock(2e9)  # a store never gives back the one it was opened with
ID, MOMENT = uuid.UUID(int=7), datetime.datetime(2021, 5, 4, tzinfo=datetime.timezone.utc)
EVERY = (b"b", "text", -7, 7, 2.5, True, ID, MOMENT)
EVERY_NAME = "(bytes,str,i64,u64,f64,bool,uuid,datetime)"
LONG = "long " * 200
NOBODY = codecs.ValueCodec("nobody's", lambda value: 1 // 0, lambda data: 1 // 0)
OWN = codecs.ValueCodec("size", lambda value: str(value).encode(), lambda data: int(data))
STRANGE = codecs.ValueCodec("strange", lambda value: NUMBER, bytes)


class Number:
    """An int to whoever asks."""

    def __index__(self):
        return 5


# ---- codecs by themselves ------------------------------------------------------------------------


@on_path
def key_codecs(path):
    key = codecs.key(EVERY_NAME)
    assert key.decode(key.encode(EVERY)) == EVERY and key.encode((bytearray(b"b"), *EVERY[1:]))
    assert codecs.str.decode(codecs.str.encode(WORDS)) == WORDS and codecs.bytes.decode(codecs.bytes.encode(KEY)) == KEY
    assert codecs.i64.encode(Number()) == codecs.i64.encode(5) and codecs.u64.encode(Number())
    assert codecs.f64.encode(3) == codecs.f64.encode(3.0)
    pair = codecs.key("(str,(i64,desc(str)))")
    assert pair.decode(pair.encode((LONG, (1, LONG)))) == (LONG, (1, LONG))
    assert pair.encode((WORDS, (1, WORDS))).startswith(pair.prefix((WORDS,))) and codecs.str.prefix("a") == b"a"
    assert codecs.i64 == codecs.key("i64") != codecs.u64 and hash(codecs.i64) == hash(codecs.key("i64"))
    assert "i64" in repr(codecs.i64) and pickle.loads(pickle.dumps(codecs.desc(codecs.i64))).name == "desc(i64)"


@on_path
def key_codecs_refused(path):
    key, pair = codecs.key(EVERY_NAME), codecs.key("(str,(i64,bytes))")
    for place in range(len(EVERY)):
        with refused(TypeError):
            key.encode((*EVERY[:place], DEFAULT, *EVERY[place + 1 :]))
    for codec, wrong in (("str", KEY), ("i64", True), ("datetime", WORDS), ("bytes", WORDS)):
        with refused(TypeError):
            codecs.key(codec).encode(wrong)
    for wrong in (NUMBER, (WORDS,), (WORDS, (1, WORDS)), (KEY, (1, KEY))):
        with refused(TypeError):
            pair.encode(wrong)
    for codec, wrong in (
        ("str", "\ud800"),
        ("i64", 1 << 63),
        ("u64", -1),
        ("f64", (1 << 53) + 1),
        ("f64", 10**400),
        ("f64", float("nan")),
        ("datetime", MOMENT.replace(tzinfo=None)),
        ("(str,i64)", ("\ud800", 1)),
        ("(str,i64)", ("x" * 70_000, 1)),
    ):
        with refused(ValueError):
            codecs.key(codec).encode(wrong)


@on_path
def key_codecs_that_cannot_decode(path):
    for codec, wrong in (("i64", b"short"), (EVERY_NAME, b"x" * 100), ("bool", b"\x07"), ("str", b"\xff")):
        with refused(lsmkv.DecodeError):
            codecs.key(codec).decode(wrong)
    with refused(TypeError):
        codecs.i64.decode(WORDS)


@on_path
def prefixes_refused(path):
    pair = codecs.key("(str,i64)")
    for codec, wrong in ((codecs.i64, 1), (pair, WORDS), (pair, (WORDS, 1, 2)), (codecs.str, KEY)):
        with refused(TypeError):
            codec.prefix(wrong)


@on_path
def value_codecs(path):
    for codec, value in (
        (codecs.value("bytes"), KEY),
        (codecs.value("str"), WORDS),
        (codecs.json, [1, None]),
        (codecs.struct("<q"), NUMBER),
        (OWN, NUMBER),
    ):
        assert codec.decode(codec.encode(value)) == value
    assert codecs.value("str").encode(LONG) == LONG.encode() and OWN == OWN and OWN != codecs.json
    assert "size" in repr(OWN) and "json" in repr(codecs.json)
    assert pickle.loads(pickle.dumps(codecs.json)).name == "json"
    mine = codecs.ValueCodec("mine", repr, str)
    assert mine.__reduce__()[1][0] == "mine"


@on_path
def value_codecs_refused(path):
    with refused(TypeError):
        codecs.value("str").encode(KEY)
    with refused(ValueError):
        codecs.value("str").encode("\ud800")
    with refused(lsmkv.DecodeError):
        codecs.value("str").decode(b"\xff")
    with refused(lsmkv.DecodeError):
        NOBODY.decode(KEY)
    with refused(ZeroDivisionError):
        NOBODY.encode(KEY)
    with refused(TypeError):
        STRANGE.encode(KEY)
    for name in ("", "größe", "json", "x" * 2000):
        with refused(ValueError):
            codecs.ValueCodec(name, repr, str)
    with refused(TypeError):
        codecs.ValueCodec("mine", NUMBER, str)
    with refused(TypeError):
        codecs.ValueCodec("mine")
    with refused(TypeError):
        codecs.KeyCodec(NUMBER)
    with refused(ValueError):
        codecs.KeyCodec("bogus")
    with refused(ValueError):
        lsmkv._core.value_codec("mine", None, None, ())
    with refused(TypeError):
        lsmkv._core.value_codec(NUMBER, None, None, ())


@on_path
def codecs_of_another_module(path):
    """What uuid and datetime keys are made of is imported once for each module."""
    core = load("lsmkv._core")
    key = core.KeyCodec("(uuid,datetime)")
    assert key.decode(key.encode((ID, MOMENT))) == (ID, MOMENT)
    other = load("lsmkv._core").KeyCodec("(datetime,uuid)")
    assert other.decode(key.encode((ID, MOMENT))[16:] + key.encode((ID, MOMENT))[:16]) == (MOMENT, ID)


# ---- stores with codecs ----------------------------------------------------------------------------


@on_path
def a_typed_store(path):
    place = path.parent / "another"
    with lsmkv.open(place, key="str", value=OWN, **OPTIONS) as db:
        db["a"] = 1
        db.update(b=2, c=3)
        assert db["a"] == 1 and dict(db.items()) == {"a": 1, "b": 2, "c": 3} and "size" in repr(db)
        assert db.key_codec == "str" and db.value_codec == "size" and list(db["b":]) == ["b", "c"]
        assert db.get_many(["a", "z", "b"]) == [1, None, 2] and "a" in db and list(db.values()) == [1, 2, 3]
        assert "'b'" in repr(db["b":]) and db.pop("a") == 1 and db.prefix("b").first() == ("b", 2)
        with refused(TypeError):
            db[KEY] = 1
        with refused(ValueError):
            db["\ud800"] = 1
    with refused(lsmkv.CodecMismatchError):
        lsmkv.open(place, key="stored", value="stored")
    with refused(lsmkv.CodecMismatchError):
        lsmkv.open(place, key="i64", value=OWN)
    with lsmkv.open(place, "r", key="stored", value="raw") as db:
        assert db["b"] == b"2"


@on_store
def text_keys(db):
    ns = db.namespace("text", key="str")
    ns["a"], ns["b"] = VALUE, VALUE
    assert ns.keys() & {"a", "z"} == {"a"} and ns.prefix("a").first() == ("a", VALUE)
    assert ns.floor("aa") == ("a", VALUE) and ns.cursor().seek("b")
    assert ns.explain("b") and ns.get_many(["b"]) == [VALUE]
    with db.batch() as batch:
        batch.namespace(ns)["c"] = VALUE
    assert ns["a"] == VALUE and "b" in ns["a":] and ns.get_view("c") == VALUE and ns.ttl("a") is None and ns.pop("a")
    ns.delete_many(["b", "c"])
    db.drop_namespace("text")


@on_path
def stored_codecs(path):
    place = path.parent / "another"
    with lsmkv.open(place, key=codecs.key("(str,i64)"), value=codecs.str, **OPTIONS) as db:
        db["a", 1] = WORDS
    with lsmkv.open(place, "r", key="stored", value="stored") as db:
        assert db["a", 1] == WORDS and list(db.prefix(("a",))) == [("a", 1)] and "a" in repr(db.prefix(("a",)))
    lsmkv.destroy(place)
    with lsmkv.open(place, value="pickle", **OPTIONS):
        pass
    with refused(lsmkv.CodecMismatchError):
        lsmkv.open(place, value="stored")


@on_path
def open_refused_for_its_codecs(path):
    with refused(TypeError):
        lsmkv.open(path, key=NUMBER)
    with refused(TypeError):
        lsmkv.open(path, value=NUMBER)
    with refused(TypeError):
        lsmkv.open(path, value=codecs.i64)
    with refused(ValueError):
        lsmkv.open(path, key="bogus")
    with refused(ValueError):
        lsmkv.open(path, value="bogus")
    with refused(lsmkv.CodecMismatchError):
        lsmkv.open(path, value="json")
    before = codecs.value
    codecs.value = lambda name: WORDS
    try:
        with refused(TypeError):
            lsmkv.open(path, value="json")
    finally:
        codecs.value = before


@on_path(sound=False)
def values_of_somebody_else(path):
    """Written without the codec."""
    place = path.parent / "another"
    with lsmkv.open(place, key="i64", value="json", **OPTIONS):
        pass
    with lsmkv.open(place, key="raw", value="raw", **OPTIONS) as db:
        db[b"12345678"] = b"{"
        db[b"short"] = b"{}"
    with lsmkv.open(place, key="i64", value="json", **OPTIONS) as db:
        for use in (db.items, db.values):
            with refused(lsmkv.DecodeError):
                list(use())
        with refused(lsmkv.DecodeError):
            list(db)
        with refused(lsmkv.DecodeError):
            db.get_many(int.from_bytes(b"12345678", "big") - (1 << 63) for _ in range(2))


# ---- namespaces ------------------------------------------------------------------------------------


@on_store
def namespaces(db):
    ns = db.namespace("typed", key="(str,i64)", value="json", ttl=1000)
    ns["a", 1] = [1]
    assert ns["a", 1] == [1] and list(ns.items()) == [(("a", 1), [1])] and ns.name == "typed" and db.name is None
    assert list(ns[("a",) : ("b",)]) == [("a", 1)]
    about = {"key": "(str,i64)", "value": "json", "ttl": 1000.0, "id": 1}
    assert "typed" in repr(ns) and db.namespaces() == {"typed": about}
    assert ns.path == db.path and ns.ttl(("a", 1)) > 0
    with db.snapshot() as snapshot:
        assert snapshot.namespace(ns)["a", 1] == [1] and len(snapshot.namespace(db)) == len(CONTENT)
    with db.namespace("typed", key="stored", value="stored") as again:
        assert len(again) == 1
    db.namespace("plain")[KEY] = VALUE
    db.drop_namespace("typed")
    db.drop_namespace("plain", sync=DEFAULT)
    assert db.namespaces() == {}


@on_store
def namespaces_refused(db):
    ns = db.namespace("typed", key="i64", value="pickle")
    with refused(TypeError):
        db.namespace(NUMBER)
    with refused(TypeError):
        db.namespace("n", ttl=WORDS)
    with refused(ValueError):
        db.namespace("n", ttl=-1)
    with refused(ValueError):
        db.namespace("n", key="bogus")
    with refused(KeyError):
        db.namespace("nobody", create=False)
    with refused(lsmkv.CodecMismatchError):
        db.namespace("typed", key="str")
    with refused(lsmkv.CodecMismatchError):
        db.namespace("typed", key="i64", value="stored")
    with refused(lsmkv.OptionsError):
        db.namespace("typed", key="i64", value="pickle", ttl=7)
    with refused(ValueError):
        db.namespace("\ud800")
    with refused(KeyError):
        db.drop_namespace("nobody")
    with refused(TypeError):
        db.drop_namespace(NUMBER)
    with db.snapshot() as snapshot:
        with refused(TypeError):
            snapshot.namespace(NUMBER)
        with lsmkv.open(None) as other, refused(ValueError):
            snapshot.namespace(other)
    db.drop_namespace("typed")
    with refused(lsmkv.ClosedError):
        ns[1] = 1
    ns.close()
    with refused(lsmkv.ClosedError):
        ns[1] = 1


@on_store
def writes_across_namespaces(db):
    """They are held by what is written through them."""
    with db.batch() as batch:
        batch[KEY] = VALUE
        batch.namespace(db.namespace("n", value="str"))[KEY] = WORDS
        assert "WriteBatch" in repr(batch.namespace(db))
        with refused(TypeError):
            batch.namespace(NUMBER)
        with refused(ValueError):
            batch.namespace(db).__enter__()
    yield
    with db.transaction() as tx:
        tx.namespace(db.namespace("n", value="str"))[ABSENT] = WORDS
        with refused(ValueError):
            tx.namespace(db).__enter__()
    assert len(db.namespace("n", value="str")) == 2
    db.drop_namespace("n")


@on_path
def a_namespace_that_is_dropped(path):
    """Its finalizer says nothing; the one of its store does."""
    with lsmkv.open(path, **OPTIONS) as db:
        db.namespace("n")[KEY] = VALUE
        kept = db.namespace("n")
    with refused(lsmkv.ClosedError):
        kept[KEY]


# ---- expiry ----------------------------------------------------------------------------------------


@on_path
def expiry(path):
    with lsmkv.open(path, clock=CLOCK, ttl=1000, **OPTIONS) as db:
        ns = db.namespace("n")
        ns.put(KEY, VALUE, ttl=5)
        assert ns.ttl(KEY) == 5.0 and ns.touch(KEY, 3) and ns.ttl(KEY) == 3.0 and ns.persist(KEY)
        assert ns.ttl(KEY) is None and not ns.touch(ABSENT, 3) and not ns.persist(ABSENT)
        with db.batch() as batch:
            batch.namespace(ns).put(KEY, VALUE, ttl=float("inf"))
        assert ns.add(NEW, VALUE, ttl=2) and ns.ttl(NEW) == 2.0
        with db.snapshot() as snapshot:
            assert snapshot.namespace(ns).ttl(NEW) == 2.0
        db.drop_namespace("n")


@on_store
def moments_of_expiry(db):
    core = lsmkv._core
    core.put_until(db, KEY, VALUE, None)
    assert core.expires_at(db, KEY) is None
    core.put_until(db, KEY, VALUE, 1 << 62)
    with db.snapshot() as snapshot, db.transaction() as tx:
        assert core.expires_at(snapshot, KEY) == core.expires_at(tx, KEY) == 1 << 62
    for wrong in (KEY, 0, -1):
        with refused((TypeError, ValueError, OverflowError)):
            core.put_until(db, KEY, VALUE, wrong)
    with refused(TypeError):
        core.put_until(DEFAULT, KEY, VALUE, None)
    with refused(TypeError):
        core.expires_at(db)
    with refused(KeyError):
        core.expires_at(db, ABSENT)


@on_store
def expiry_refused(db):
    with refused(KeyError):
        db.ttl(ABSENT)
    with refused(TypeError):
        db.ttl(WORDS)
    with refused(ValueError):
        db.put(KEY, VALUE, ttl=0)
    with refused(TypeError):
        db.put(KEY, VALUE, ttl=WORDS)
    with refused(TypeError):
        db.touch(KEY)
    with refused(TypeError):
        db.touch(KEY, None)
    with refused(ValueError):
        db.touch(KEY, -1)
    with db.batch() as batch, refused(ValueError):
        batch.put(KEY, VALUE, ttl=-1)


@on_path
def clocks(path):
    clock = lsmkv.ManualClock(start=5)
    clock.set(10)
    clock.advance(2.5)
    assert clock.time() == 12.5 and "12.5" in repr(clock)
    for call in (clock.set, clock.advance):
        with refused(TypeError):
            call(WORDS)
        with refused(ValueError):
            call(-1e3)
    with refused(ValueError):
        lsmkv.ManualClock(-1)
    with refused(TypeError):
        lsmkv.ManualClock(WORDS)
    with refused(TypeError):
        pickle.dumps(clock)
    with refused(TypeError):
        lsmkv.open(path, clock=NUMBER)


@on_path
def absent(path):
    assert "ABSENT" in repr(lsmkv.ABSENT) and pickle.loads(pickle.dumps(lsmkv.ABSENT)) is lsmkv.ABSENT
