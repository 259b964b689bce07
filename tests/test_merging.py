"""What is merged, when, and what can be chosen about it."""

import threading
import time

import pytest

import lsmkv

SMALL = {"threads": 0, "segment_bytes": 4096, "table_bytes": 4096, "page_bytes": 256, "l0_segments": 1, "run_count": 3}
POLICIES = ["default", "leveled", "tiered", "none"]


def pairs(start, stop):
    return ((b"%06d" % i, b"v" * 40) for i in range(start, stop))


def settle(db):
    db.flush()
    return [*iter(db.step, None)]


def runs(db):
    return db.stats()["runs"]


def tables(db, below=b"\xff"):
    return {level.number for level in db.levels if level.kind == "table" and level.key_max < below}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_rests_and_keeps_everything(path, policy):
    with lsmkv.open(path, merge_policy=policy, **SMALL) as db:
        for turn in range(8):
            db.update(pairs(turn * 100, turn * 100 + 400))
            db.flush()
        settle(db)
        assert db.pending() == 0 and db.step() is None
        assert runs(db) >= 8 if policy == "none" else runs(db) <= 3
        assert [*db] == [b"%06d" % i for i in range(1100)]
    for other in POLICIES:  # and another one takes over
        with lsmkv.open(path, merge_policy=other, **SMALL) as db:
            db.update(pairs(0, 50))
            settle(db)
            assert db.options["merge_policy"] == other and len(db) == 1100


def test_fifo_deletes_the_oldest(path):
    with lsmkv.open(path, merge_policy="fifo", fifo_bytes=100_000, **SMALL) as db:
        for start in range(0, 5000, 100):
            db.update(pairs(start, start + 100))
        settle(db)
        left = [*db]
        assert 0 < len(left) < 2000 and left == [b"%06d" % i for i in range(5000 - len(left), 5000)]
        assert len(db) == len(left) and db.stats()["table_bytes"] <= 100_000 and db.stats()["merge_bytes"] == 0
        whys = [event["detail"] for event in db.events() if event["what"] == "drop runs"]
        assert whys and all("fifo" in why for why in whys)


def test_fifo_weighs_values_that_stand_apart(path):
    with lsmkv.open(path, merge_policy="fifo", fifo_bytes=1 << 20, large_value_bytes=4096, **SMALL) as db:
        for i in range(1000):
            db[b"%06d" % i] = b"v" * 8192
        settle(db)
        left, stats = [*db], db.stats()
        assert 0 < len(left) < 150 and left == [b"%06d" % i for i in range(1000 - len(left), 1000)]
        assert stats["value_file_bytes"] < 4 << 20  # what nothing refers to any more leaves


def test_deleted_data_leaves_the_files(path):
    with lsmkv.open(path, **SMALL) as db:
        db.update(pairs(0, 3000))
        settle(db)
        for key in [*db]:
            del db[key]
        steps = settle(db)
        assert db.stats()["tables"] == 0 and any("shadowed or deleted" in step["why"] for step in steps)
    assert sum(file.stat().st_size for file in path.iterdir()) < 1 << 20


def test_an_ascending_load_is_merged_without_writing(path):
    with lsmkv.open(path, **{**SMALL, "run_count": 2}) as db:
        for turn in range(6):
            db.update(pairs(turn * 400, turn * 400 + 400))
            db.flush()
        db.compact()
        stats = db.stats()
        assert stats["runs"] == 1 and stats["merge_bytes"] < stats["flush_bytes"] / 4
        assert len(db) == 2400


def test_compaction_paused(path):
    with lsmkv.open(path, merge_policy="tiered", **SMALL) as db:
        pause = db.compaction_paused()
        assert repr(pause) == f"<no merges of {db.path!r} within its block>"
        with pause as nothing:
            assert nothing is None
            with db.compaction_paused():
                for _ in range(6):
                    db.update(pairs(0, 100))
                    db.flush()
                assert db.pending() == 0 and db.step() is None
            assert db.pending() == 0 and runs(db) >= 6
        assert db.pending() == 1 and db.step()["what"] == "merge step"
        settle(db)
        assert runs(db) <= 3


def test_a_pause_ends_with_an_exception_and_with_the_store(path):
    with lsmkv.open(path, merge_policy="tiered", **SMALL) as db:
        with pytest.raises(ZeroDivisionError), db.compaction_paused():
            raise ZeroDivisionError
        for _ in range(6):
            db.update(pairs(0, 100))
            db.flush()
        settle(db)
        assert runs(db) <= 3
        with db.compaction_paused():
            db.close()
    with pytest.raises(lsmkv.ClosedError), db.compaction_paused():
        pass
    with lsmkv.open(path) as first, lsmkv.open(path) as second:
        pause = second.compaction_paused()
        pause.__enter__()
        second.close()
        pause.__exit__(None, None, None)
        assert first.pending() in (0, 1)
    with lsmkv.open(path, "r") as reader, reader.compaction_paused():
        assert len(reader) == 100


def test_background_merges_rest_in_a_pause(path):
    options = {**SMALL, "threads": 2, "merge_policy": "leveled"}
    with lsmkv.open(path, **options) as db:
        with db.compaction_paused():
            for turn in range(5):
                db.update(pairs(turn, turn + 300))
                db.flush()
            before = runs(db)
            assert before >= 5 and db.stats()["merge_bytes"] == 0
        while runs(db) >= before:  # or pytest-timeout ends it
            time.sleep(0.01)


def test_a_range_is_compacted(path):
    with lsmkv.open(path, merge_policy="none", **SMALL) as db:
        for _ in range(4):
            db.update(pairs(0, 2000))
            db.flush()
        before, written = tables(db, b"000900"), db.stats()["merge_bytes"]
        reports = []
        db.compact(b"001000", b"001200", progress=lambda *report: reports.append(report))
        assert before and before <= tables(db)
        assert 0 < db.stats()["merge_bytes"] - written < db.stats()["table_bytes"] / 3
        assert reports[-1][0] == reports[-1][1] and len(db) == 2000
        db.compact(b"001200", b"001000")  # nothing lies there
        db.compact(None, b"000500")
        db.compact(b"001500", None)
        assert len(db) == 2000 and [*db] == [b"%06d" % i for i in range(2000)]
        db.verify()


def test_writes_go_on_while_a_range_is_compacted(path):
    with lsmkv.open(path, **{**SMALL, "threads": 2}) as db:
        db.update(pairs(0, 2000))
        stop = threading.Event()

        def write():
            turn = 0
            while not stop.is_set():
                db.update((b"%06d" % i, b"%d" % turn) for i in range(turn % 7, 2000, 7))
                turn += 1

        writer = threading.Thread(target=write)
        writer.start()
        for start in range(0, 2000, 250):
            db.compact(b"%06d" % start, b"%06d" % (start + 300))
        stop.set()
        writer.join()
        assert len(db) == 2000
        db.verify()


def test_an_empty_store_takes_less_than_a_mebibyte(path, taken):
    """Whatever was in it: log segments that were made ready for much shrink too."""
    with lsmkv.open(path) as db:
        db[b"first"] = b"a little"
        assert taken(path) < 1 << 20
        for part in range(4):
            db.update((b"%d %d" % (part, i), b"v" * 1000) for i in range(40_000))
        assert taken(path) > 100 << 20
        for key in list(db):
            del db[key]
        db.compact()
        deadline = time.monotonic() + 60
        while taken(path) >= 1 << 20 and time.monotonic() < deadline:
            time.sleep(0.01)  # a log that readers may still have looked at goes when they cannot any more
        assert taken(path) < 1 << 20
        db[b"k"] = b"v"
        assert dict(db) == {b"k": b"v"}
    with lsmkv.open(path) as db:
        assert dict(db) == {b"k": b"v"}
        db.verify()
