"""Ranges: slices, range(), prefix(), and the four kinds of view. The model is a sorted list."""

import itertools

import pytest

import lsmkv

KEYS = [b"", b"a", b"a\0", b"aa", b"ab", b"b", b"ba", b"c", b"\xfe", b"\xff", b"\xff\xff"]
BOUNDS = [None, b"", b"a", b"a\0", b"aaa", b"b", b"bz", b"\xff", b"\xff\xff\xff"]


@pytest.fixture
def db(path):
    with lsmkv.open(path) as db:
        db.update((key, b"=" + key) for key in KEYS)
        yield db


def within(start, stop, include_start=True, include_stop=False):
    def holds(key):
        above = start is None or key > start or (include_start and key == start)
        below = stop is None or key < stop or (include_stop and key == stop)
        return above and below

    return [key for key in KEYS if holds(key)]


# ---- which keys -----------------------------------------------------------------------------


@pytest.mark.parametrize("start", BOUNDS)
@pytest.mark.parametrize("stop", BOUNDS)
def test_slices_are_half_open(db, start, stop):
    expected = within(start, stop)
    view = db[start:stop]
    assert list(view) == expected == list(db.range(start, stop))
    assert list(view.items()) == [(key, b"=" + key) for key in expected]
    assert list(view.values()) == [b"=" + key for key in expected]
    assert list(view.keys()) == expected
    assert list(reversed(view)) == expected[::-1]
    assert view.count() == len(expected) and bool(view) == bool(expected)
    assert [key for key in KEYS if key in view] == expected


@pytest.mark.parametrize("include_start", [True, False])
@pytest.mark.parametrize("include_stop", [True, False])
@pytest.mark.parametrize("reverse", [True, False])
def test_range_with_every_kind_of_bound(db, include_start, include_stop, reverse):
    for start, stop in itertools.product(BOUNDS, BOUNDS):
        expected = within(start, stop, include_start, include_stop)
        if reverse:
            expected.reverse()
        view = db.range(start, stop, include_start=include_start, include_stop=include_stop, reverse=reverse)
        assert list(view) == expected, (start, stop)
        assert list(reversed(view)) == expected[::-1]
        assert view.count() == len(expected)
        pairs = [(key, b"=" + key) for key in expected]
        assert view.first() == (pairs[0] if pairs else None)
        assert view.last() == (pairs[-1] if pairs else None)
        assert {key for key in KEYS if key in view} == set(expected)


@pytest.mark.parametrize("prefix", [b"", b"a", b"b", b"\xff", b"\xff\xff", b"\xfe", b"zz", b"a\xff"])
def test_prefix(db, prefix):
    assert list(db.prefix(prefix)) == [key for key in KEYS if key.startswith(prefix)]


def test_a_range_that_ends_before_it_begins(db):
    view = db[b"c":b"a"]
    assert not view and list(view) == [] == list(reversed(view)) and view.count() == 0
    assert view.first() is None is view.last() and b"b" not in view


def test_first_and_last(db):
    assert db.first() == (b"", b"=") and db.last() == (b"\xff\xff", b"=\xff\xff")
    db.clear()
    assert db.first() is None is db.last()


# ---- narrowing, looking up, limits ----------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
def test_narrowing_is_by_key_and_never_widens(db, reverse):
    view = db.range(b"a", b"c", include_start=False, include_stop=True, reverse=reverse)
    for start, stop in itertools.product(BOUNDS, BOUNDS):
        expected = [key for key in within(b"a", b"c", False, True) if key in within(start, stop)]
        assert list(view[start:stop]) == (expected[::-1] if reverse else expected), (start, stop)


def test_lookup_in_a_range(db):
    view = db[b"a":b"b"]
    assert view[b"aa"] == b"=aa"
    for outside in (b"b", b"", b"nobody"):
        with pytest.raises(KeyError):
            view[outside]
        assert outside not in view
    with pytest.raises(TypeError, match="encode"):
        view["aa"]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("n", [0, 1, 3, 11, 100])
def test_limit(db, n, reverse):
    expected = (KEYS[::-1] if reverse else KEYS)[:n]
    view = db.range(reverse=reverse).limit(n)
    assert list(view) == expected and view.count() == len(expected) and bool(view) == bool(expected)
    assert list(reversed(view)) == expected[::-1]
    assert list(view.limit(2)) == expected[:2] and list(view.limit(1000)) == expected
    assert {key for key in KEYS if key in view} == set(expected)
    assert list(view.items()) == [(key, b"=" + key) for key in expected]
    assert view.first() == ((expected[0], b"=" + expected[0]) if expected else None)
    assert view.last() == ((expected[-1], b"=" + expected[-1]) if expected else None)
    assert list(db.keys().limit(n)) == KEYS[:n]


def test_a_limit_is_not_negative_and_comes_last(db):
    with pytest.raises(ValueError):
        db.keys().limit(-1)
    with pytest.raises(TypeError):
        db.keys().limit("3")
    with pytest.raises(ValueError, match="narrow"):
        db[b"a":].limit(3)[b"b":]


# ---- what is refused, with words that help --------------------------------------------------


@pytest.mark.parametrize("call", ["d[b'a':b'b':2]", "d[b'a':][::-1]", "d.__delitem__(slice(b'a', b'b', 1))"])
def test_a_step(db, call):
    with pytest.raises(ValueError, match=r"reversed\(.*limit\("):
        eval(call, {"d": db})


def test_assigning_to_a_range(db):
    with pytest.raises(TypeError, match="update"):
        db[b"a":b"b"] = b"x"


def test_len_of_a_range_names_count(db):
    for view in (db[b"a":], db[:], db.prefix(b"a").items(), db.keys().limit(3)):
        with pytest.raises(TypeError, match=r"\.count\(\)"):
            len(view)
    assert len(db.keys()) == len(db.items()) == len(db.values()) == len(KEYS)


@pytest.mark.parametrize("call", ["d['a':]", "d[1:2]", "d.range('a')", "d.range(0, 1)", "d.prefix(1)", "d.range(a=1)"])
def test_bounds_that_are_no_bytes(db, call):
    with pytest.raises(TypeError):
        eval(call, {"d": db})


# ---- deleting -------------------------------------------------------------------------------


@pytest.mark.parametrize("start", BOUNDS)
@pytest.mark.parametrize("stop", BOUNDS)
@pytest.mark.parametrize("how", ["del", "call", "batch"])
def test_range_deletes(db, start, stop, how):
    gone = within(start, stop)
    if how == "del":
        del db[start:stop]
    elif how == "call":
        db.delete_range(start, stop)
    else:
        with db.batch() as batch:
            batch.delete_range(start, stop)
    left = [key for key in KEYS if key not in gone]
    assert list(db) == left == list(reversed(db))[::-1]
    assert [key for key in KEYS if key in db] == left
    for key in gone:
        db[key] = b"again"
    assert list(db) == KEYS


# ---- views ----------------------------------------------------------------------------------


def test_a_view_is_a_description_and_not_frozen(db):
    view, keys = db[b"a":b"b"], db.keys()
    before = list(view)
    db[b"abc"] = b"new"
    assert list(view) == sorted([*before, b"abc"]) and b"abc" in keys and len(keys) == len(KEYS) + 1


def test_views_know_what_they_are_of(db):
    with db.snapshot() as snapshot:
        assert db.keys().mapping is db and db[b"a":].mapping is db and snapshot.items().mapping is snapshot


def test_set_operations_of_keys(db):
    keys, model = db.keys(), set(KEYS)
    for other in ({b"a", b"zz"}, set(), set(KEYS), {b"a": 1}.keys(), frozenset([b"q"]), [b"a", b"b", b"q"]):
        right = set(other)
        assert keys & other == model & right == other & keys
        assert keys | other == model | right == other | keys
        assert keys - other == model - right and other - keys == right - model
        assert keys ^ other == model ^ right == other ^ keys
        assert keys.isdisjoint(other) == model.isdisjoint(right)
    assert type(keys & {b"a"}) is set
    assert db[b"a":b"b"].keys() & db.keys() == set(within(b"a", b"b"))


@pytest.mark.parametrize("other", [set(), {b"a"}, set(KEYS), {*KEYS, b"q"}, {b"q"}, {*KEYS[1:], b"q"}])
def test_comparisons_of_keys(db, other):
    keys, model = db.keys(), set(KEYS)
    for name in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"):
        assert getattr(keys, name)(other) == getattr(model, name)(other), name
    assert (other == keys) == (model == other) and (other <= keys) == (other <= model)
    assert keys == db.keys() and keys == dict.fromkeys(KEYS).keys() and keys != 7 and keys != list(KEYS)


def test_set_operations_of_items(db):
    items, model = db.items(), {(key, b"=" + key) for key in KEYS}
    assert items == model and items == dict(items).items()
    assert items & {(b"a", b"=a"), (b"a", b"other")} == {(b"a", b"=a")}
    assert (b"a", b"=a") in items and (b"a", b"no") not in items and (b"nobody", b"") not in items
    assert b"a" not in items and (b"a",) not in items
    assert items - {(b"a", b"=a")} == model - {(b"a", b"=a")}
    assert items.isdisjoint([(b"q", b"q")]) and not items.isdisjoint(model)


def test_sets_of_something_else(db):
    with pytest.raises(TypeError):
        db.keys() & 7
    with pytest.raises(TypeError):
        hash(db.keys())
    with pytest.raises(TypeError):
        assert db.keys() < 7


def test_values(db):
    assert b"=a" in db.values() and b"nothing" not in db.values()
    assert list(reversed(db.values())) == [b"=" + key for key in KEYS[::-1]]
    assert db.values().first() == b"=" and db.keys().last() == b"\xff\xff" and db.items().first() == (b"", b"=")
    assert hash(db.values()) is not None and db.values() != db.values()
    with pytest.raises(TypeError):
        db.values() & set()


def test_reprs_do_no_harm(db):
    for view in (db.keys(), db[b"a":], db.range(b"a", b"b", include_start=False, reverse=True).limit(3), iter(db)):
        assert repr(view).startswith("<lsmkv.") and str(db.path) in repr(view)
    db.close()
    assert "closed" in repr(db) and repr(db.__class__)


@pytest.mark.parametrize("reverse", [False, True])
def test_split_follows_the_order_of_the_store(path, reverse):
    """Which of keys that are in descending order comes first Python does not know."""
    with lsmkv.open(path, key="desc(i64)") as db:
        db.update(dict.fromkeys(range(10), b""))
        view = db.range(reverse=reverse)
        for parts in range(1, 12):
            found = [list(part) for part in view.split(parts)]
            assert sum(found, []) == list(view) and len(found) == min(parts, 10)
