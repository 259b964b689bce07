"""Looking inside: stats, levels, events, explain, step."""

import time

import pytest

import lsmkv
from lsmkv.report import counters


@pytest.fixture
def db(path):
    """All work by hand."""
    with lsmkv.open(path, options="teach", threads=0, l0_segments=8, run_count=32) as db:
        yield db


def fill(db, start, stop, value=b"x" * 100):
    db.update((b"%06d" % i, value) for i in range(start, stop))


def test_stats_count(db):
    before = db.stats()
    db[b"a"] = b"1"
    db.delete(b"a")
    del db[b"a":b"b"]
    db.get(b"a"), db.get(b"b")
    list(db)
    after = db.stats()
    grown = {name: after[name] - before[name] for name in ("puts", "deletes", "range_deletes", "gets", "gets_missed")}
    assert grown == {"puts": 1, "deletes": 1, "range_deletes": 1, "gets": 2, "gets_missed": 2}
    assert after["scans"] > before["scans"] and after["lsn_visible"] == db.lsn > before["lsn_visible"]
    assert after["user_bytes"] > 0 and after["log_bytes"] > 0 and after["failed"] is False
    assert all(isinstance(value, int) for value in after.values())


def test_stats_tell_what_writes_waited_for(path):
    with lsmkv.open(path, durability="always") as db:
        db[b"a"] = b"1"
        stats = db.stats()
    for cause in counters.STALLS:
        assert stats[f"stall_{cause}"] == 0 or cause == "sync"
        assert stats[f"stall_{cause}_ns"] >= stats[f"stall_{cause}_longest_ns"] >= 0
    assert stats["stall_sync"] == 1 and stats["stall_sync_ns"] > 0  # asked for, so not among the stalls
    assert stats["stalls"] == stats["stall_ns"] == 0
    assert {name for name in stats if name.startswith("stall")} <= set(counters.GROUPS["waits"])


def test_every_counter_is_explained_and_every_explained_one_is_there(db):
    told = [name for names in counters.GROUPS.values() for name in names]
    assert sorted(told) == sorted(db.stats()) and all(
        text for names in counters.GROUPS.values() for text in names.values()
    )


def test_what_has_just_been_replaced_is_not_pinned_for_long(path):
    with lsmkv.open(path) as db:
        fill(db, 0, 20_000)
        db.flush()
        fill(db, 10_000, 20_000)
        db.compact()
        while db.stats()["pinned_bytes"]:  # the background gives it back; nobody else holds it
            time.sleep(0.001)


def test_a_flush_moves_records_from_the_log_to_a_table(db):
    fill(db, 0, 500)
    assert {level.kind for level in db.levels} <= {"memtable", "segment"}
    assert sum(level.records for level in db.levels) == 500
    db.flush()
    tables = [level for level in db.levels if level.kind == "table"]
    assert sum(table.records for table in tables) == 500 and {table.run for table in tables} == {1}
    assert tables[0].key_min == b"000000" and tables[-1].key_max == b"000499"
    assert all(table.key_min <= table.key_max and table.bytes > 0 for table in tables)
    stats = db.stats()
    assert stats["tables"] == len(tables) and stats["runs"] == 1 and stats["flush_bytes"] > 0


def test_compact_makes_one_run_and_drops_what_is_gone(db):
    for _ in range(3):
        fill(db, 0, 500)
        db.flush()
    db.delete_range(b"000100", b"000400")
    db.compact()
    tables = [level for level in db.levels if level.kind == "table"]
    assert {table.run for table in tables} == {1} and sum(table.records for table in tables) == 200
    assert sum(table.tombstones + table.range_deletes for table in tables) == 0
    assert len(db) == 200


def test_a_level_is_a_named_tuple(db):
    db[b"k"] = b"v"
    level = db.levels[0]
    assert isinstance(level, lsmkv.Level) and isinstance(level, tuple)
    assert level.kind == level[0] == "memtable" and repr(level).startswith("lsmkv.Level(kind='memtable'")


def test_reasons_fit_a_small_store():
    """Sizes in KiB where they are small, and no number that the levels do not show."""
    with lsmkv.open(None, options="teach") as db:
        for _ in range(3):
            fill(db, 0, 400)
        db.compact()
        reasons = [event["detail"] for event in db.events()]
    assert any(" KiB of " in reason for reason in reasons), reasons
    odd = [reason for reason in reasons if "MiB" in reason or "into run" in reason]
    assert not odd, odd


def test_what_compact_does_is_told(db):
    for _ in range(3):
        fill(db, 0, 400)
        db.flush()
    before = len(db.events())
    db.compact()
    told = [event["what"] for event in db.events()[before:]]
    assert "merge step" in told and set(told) <= {"flush step", "merge step", "move step"}
    fill(db, 100, 200)
    db.compact(b"000120", b"000140")
    assert "range step" in [event["what"] for event in db.events()]


def test_steps_tell_what_they_did(db):
    for _ in range(4):
        fill(db, 0, 400)
    told = []
    while (did := db.step()) is not None:
        told.append(did)
        assert did.keys() == {"what", "why", "bytes_in", "bytes_out", "records_in", "records_out", "nanoseconds"}
        assert did["what"] and isinstance(did["why"], str)
        assert len(told) < 10_000
    assert db.step() is None and db.pending() == 0 and len(db) == 400


def test_steps_run_what_is_due(path):
    with lsmkv.open(path, options="teach", threads=2) as db:
        for i in range(5000):
            db[b"%06d" % i] = b"x" * 100
        while db.step():
            pass
        assert len(db) == 5000 and any(level.kind == "table" for level in db.levels)


def test_events(db):
    fill(db, 0, 500)
    db.flush()
    events = db.events()
    assert events and all(event.keys() == {"number", "at_ns", "what", "detail"} for event in events)
    numbers = [event["number"] for event in events]
    assert numbers == sorted(set(numbers))
    assert (
        [event["number"] for event in db.events(numbers[-1])]
        == numbers[-1:]
        == [event["number"] for event in db.events(from_=numbers[-1])]
    )
    assert db.events(numbers[-1] + 1) == []
    with pytest.raises(TypeError, match="from_ must be the number of an event, an int, not str"):
        db.events("first")
    for number in (-1, 1 << 70):
        with pytest.raises(ValueError, match=f"from_={number}: events are numbered from 0 on"):
            db.events(number)


def test_explain_names_each_place(db):
    fill(db, 0, 300)
    db.flush()
    db[b"000007"] = b"newer"
    assert db.explain(b"000008")[-1].verdict in ("value", "not verified yet"), "explaining reads no file"
    list(db.items())
    newer, older = db.explain(b"000007"), db.explain(b"000008")
    assert newer[-1].verdict == "value" and newer[-1].kind == "memtable" and len(newer) == 1
    assert older[-1].verdict == "value" and older[-1].kind == "table" and older[0].kind == "memtable"
    assert all(isinstance(probe, lsmkv.Probe) and probe.lines >= 0 for probe in older)
    db.delete(b"000008")
    assert db.explain(b"000008")[-1].verdict == "tombstone"
    assert "value" not in {probe.verdict for probe in db.explain(b"nobody")}
    del db[b"000010":b"000020"]
    assert db.explain(b"000015")[-1].verdict == "covered by a range delete"


def test_teach_shows_everything_with_a_thousand_keys(path):
    with lsmkv.open(path, options="teach") as db:
        for i in range(1000):
            db[b"key %d" % i] = b"value %d " % i * 5
        kinds = {level.kind for level in db.levels}
        assert {"memtable", "segment", "table"} <= kinds and db.stats()["merge_bytes"] > 0
        assert len({level.run for level in db.levels}) > 2, "two runs and the log"


def test_looking_inside_changes_nothing(db):
    fill(db, 0, 100)
    db.stats()
    before = db.lsn, dict(db)
    db.stats(), db.levels, db.events(), db.explain(b"000001"), db.pending(), repr(db)
    assert (db.lsn, dict(db)) == before


@pytest.mark.parametrize("source", ["mapped", "read"])
def test_every_get_counts_once(tmp_path, source):
    """Also one that has to wait for its bytes, or finds nothing."""
    with lsmkv.open(tmp_path, table_source=source, cache_bytes=64 << 10) as db:
        db.update((b"%06d" % i, bytes(100)) for i in range(20_000))
        db.flush()
    with lsmkv.open(tmp_path, table_source=source, cache_bytes=64 << 10) as db:
        before = db.stats()
        for i in range(0, 20_000, 10):
            assert db[b"%06d" % i] == bytes(100)
            assert b"%06d absent" % i not in db
        after = db.stats()
    assert after["gets"] - before["gets"] == 4000
    assert after["gets_missed"] - before["gets_missed"] == 2000
