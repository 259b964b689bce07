"""Looking inside and upkeep from the command line: info, levels, flush, verify, doctor and the rest."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

import lsmkv as library


def lsmkv(*argv, status=0, text=True):
    done = subprocess.run(
        [sys.executable, "-m", "lsmkv", *map(os.fspath, argv)], capture_output=True, timeout=200, text=text
    )
    assert done.returncode == status, (argv, done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in str(done.stderr)
    return done.stdout


def answer(*argv, status=0):
    return json.loads(lsmkv(*argv, "--json", status=status))


@pytest.fixture
def store(path):
    """A flushed thousand, and ten newer ones in the log of which one is a deletion."""
    import lsmkv as library

    with library.open(path) as db:
        db.update((b"key%04d" % at, b"v" * 50) for at in range(1000))
        db.flush()
        db.update((b"key%04d" % at, b"new") for at in range(9))
        db.delete(b"key0009")
    return path


def test_info(store):
    told = answer("info", store)
    assert told["path"] == str(store) and told["bytes"] > 50_000 and told["files"]["tables"]["files"] >= 1
    assert told["keys_at_most"] >= 999 and "keys" not in told
    assert told["stats"]["runs"] >= 1 and told["places_per_get"] >= 1
    counted = answer("info", store, "--count")
    assert counted["keys"] == 999 and counted["live_bytes"] == 990 * 57 + 9 * 10
    shown = lsmkv("info", store, "--count")
    assert str(store) in shown and "999" in shown and "run 1" in shown


def test_levels(store):
    found = answer("levels", store)
    kinds = [level["kind"] for level in found]
    assert kinds[0] in ("memtable", "segment") and kinds[-1] == "table"
    assert sum(level["records"] for level in found) >= 1000 and sum(level["tombstones"] for level in found) == 1
    assert (
        found[-1]["key_min"] == "key0000" and found[-1]["key_max"] == "key0999" and found[-1]["file"].endswith(".tbl")
    )
    shown = lsmkv("levels", store)
    assert shown.splitlines()[0].split() == ["place", "file", "size", "records", "deletions", "keys"]
    assert "key0000 .. key0999" in shown
    assert "run 1" in lsmkv("levels", store, "--summary")


def test_keys_of_levels_for_a_program(path):
    with library.open(path) as db:
        db.update({b"": b"1", b"z": b"2"})
        db.flush()
        db.namespace("n", key="bytes", value="bytes")[b""] = b"3"
    by_kind = {level["kind"]: (level["key_min"], level["key_max"]) for level in answer("levels", path)}
    assert by_kind["table"] == ("", "z") and by_kind["memtable"] == (None, None)
    assert "(empty) .. z" in lsmkv("tables", path)


def test_tables_are_a_row_each(store):
    (table,) = answer("tables", store)
    assert (table["kind"], table["records"], table["tombstones"]) == ("table", 1000, 0)
    assert (table["key_min"], table["key_max"]) == ("key0000", "key0999") and table["file"].endswith(".tbl")
    heading, row = lsmkv("tables", store).splitlines()
    assert heading.split() == [
        "run",
        "table",
        "bytes",
        "records",
        "tombstones",
        "ranges",
        "index",
        "codec",
        "pages",
        "keys",
    ]
    start = [table["run"], table["number"], f"{table['bytes']:,}", "1,000", 0, 0]
    wanted = [*start, "lines", "raw", "100%", "key0000", "..", "key0999"]
    assert row.split() == [str(cell) for cell in wanted]


def test_a_store_without_tables(path):
    lsmkv("put", path, "k", "v")
    assert answer("tables", path) == [] and lsmkv("tables", path) == "no tables: 1 record in the log\n"
    lsmkv("delete", path, "k")
    assert lsmkv("tables", path) == "no tables: 2 records in the log, 1 deletion among them\n"
    lsmkv("compact", path)
    assert lsmkv("tables", path) == "no tables: nothing is stored\n"


def test_stat(store):
    told = answer("stat", store)
    assert (told["tables"], told["table_records"], told["failed"]) == (1, 1000, False)
    shown = lsmkv("stat", store)
    assert re.search(r"^tables +runs +1$", shown, re.M) and re.search(r"table_records +1,000$", shown, re.M)
    assert "user_bytes" not in shown  # this process has written nothing


def test_stat_looks_again_and_shows_the_change(store):
    command = [sys.executable, "-m", "lsmkv", "stat", os.fspath(store), "--watch", "0.01"]
    with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        looks = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        _, complained = process.communicate(timeout=200)
    assert process.returncode == 130 and json.loads(complained)["exit"] == 130
    assert all(look["table_records"] == 1000 for look in looks)


def test_options(store):
    told = answer("options", store)
    assert told["codecs"] == {"key": "bytes", "value": "bytes"}
    assert told["options"]["page_bytes"] == 2048 and told["options"]["mode"] == "0o700"
    shown = lsmkv("options", store)
    assert re.search(r"^page_bytes +2048  \(2 KiB\)$", shown, re.M) and re.search(r"^key codec +bytes$", shown, re.M)


def test_options_without_a_store_are_the_defaults():
    from dataclasses import asdict

    from lsmkv import Options
    from lsmkv.cli.options import meaning

    plain = asdict(Options())
    assert answer("options") == {"options": dict(plain, mode="0o700")}
    shown = lsmkv("options")
    assert re.search(r"^cache_bytes +0  \(16\.5 MiB: three eighths of memory_bytes\)$", shown, re.M)
    assert re.search(r"^fifo_bytes +0  \(no limit\)$", shown, re.M) and "codec" not in shown and "0 B" not in shown
    assert re.search(r"^ttl +None  \(keys live for ever\)$", shown, re.M)
    assert re.search(r"^sync_interval_ms +1000  \(1\.0 s\)$", shown, re.M)
    for name in plain.keys() - {"mode"}:  # each of them can be shown when it is nothing, if it may be nothing
        for nothing in (0, None):
            try:
                Options(**{name: nothing})
            except ValueError:
                continue
            assert meaning(name, nothing, plain).startswith(f"{nothing}  (")


def test_explain(store):
    told = answer("explain", store, "key0500")
    assert told["found"] and told["probes"][-1]["verdict"] == "value"
    shown = lsmkv("explain", store, "key0500")
    assert shown.startswith("get key0500: is there") and "value" in shown
    deleted = answer("explain", store, "key0009", status=1)
    assert not deleted["found"] and deleted["probes"][-1]["verdict"] == "tombstone"
    lsmkv("explain", store, "zzz", status=1)


def test_flush(store):
    told = answer("flush", store)
    assert told["flushed"] and [level["kind"] for level in told["after"] if level["records"]] == ["table"] * len(
        [level for level in told["after"] if level["records"]]
    )
    assert "flushed in" in lsmkv("flush", store)


def test_compact_leaves_one_run_and_no_deletions(store):
    told = answer("compact", store)
    after = [level for level in told["after"] if level["records"]]
    assert told["compacted"] and {level["kind"] for level in after} == {"table"}
    assert len({level["run"] for level in after}) == 1
    assert sum(level["tombstones"] for level in after) == 0 and sum(level["records"] for level in after) == 999
    assert "compacted in" in lsmkv("compact", store, "--start", "key0100", "--stop", "key0200")
    assert answer("scan", store, "--count") == {"count": 999}


def test_verify(store):
    told = answer("verify", store)
    assert told["sound"] and told["bytes"] > 50_000
    assert lsmkv("verify", store).startswith("sound: ")


def test_verify_names_the_damaged_file_and_place(store):
    lsmkv("flush", store)
    (table, *_) = sorted(name for name in os.listdir(store) if name.endswith(".tbl"))
    with open(store / table, "r+b") as file:
        file.seek(2000)
        byte = file.read(1)
        file.seek(2000)
        file.write(bytes([byte[0] ^ 1]))
    done = subprocess.run([sys.executable, "-m", "lsmkv", "verify", store], capture_output=True, text=True, timeout=200)
    assert done.returncode == 4 and "Traceback" not in done.stderr
    assert done.stdout.startswith("damaged: ") and table in done.stdout
    assert done.stderr.startswith(f"lsmkv verify: {store}: 1 damaged place; all other keys stay readable")
    told = answer("verify", store, status=4)
    (place,) = told["damage"]
    assert told["sound"] is False and place["file"] == table and isinstance(place["offset"], int)


def test_destroy_needs_consent(store):
    lsmkv("destroy", store, status=2)
    assert lsmkv("destroy", store, "--dry-run").startswith("would remove ")
    assert answer("destroy", store, "--dry-run", "--yes")["destroyed"] is False
    assert answer("scan", store, "--count") == {"count": 999}
    assert answer("destroy", store, "--yes")["destroyed"] is True
    assert not store.exists()


def test_destroy_leaves_a_directory_with_strangers_alone(store):
    (store / "precious.txt").write_text("mine")
    done = subprocess.run([sys.executable, "-m", "lsmkv", "destroy", store, "--yes"], capture_output=True, text=True)
    assert done.returncode in (3, 4) and "Traceback" not in done.stderr
    assert (store / "precious.txt").read_text() == "mine"
    assert answer("scan", store, "--count") == {"count": 999}


def test_doctor(path):
    told = answer("doctor", path)
    names = {check["name"]: check for check in told["checks"]}
    assert told["healthy"] and told["features"]
    assert {"lsmkv", "Python", "system", "file system", "trial store", "open files", "lz4", "zstd"} <= set(names)
    assert names["trial store"]["state"] == "good"
    assert not path.exists() and os.listdir(path.parent) == []  # it leaves nothing behind
    assert "everything a store needs is here" in lsmkv("doctor")


def test_doctor_of_a_store(store):
    before = sorted(os.listdir(store))
    names = {check["name"]: check for check in answer("doctor", store)["checks"]}
    assert names["store"]["state"] == "good" and f"lsmkv verify {store}" in names["store"]["text"]
    assert sorted(os.listdir(store)) == before
    lsmkv("flush", store)
    table = next(file for file in store.iterdir() if file.suffix == ".tbl")
    table.unlink()
    told = answer("doctor", store, status=4)
    (found,) = (check for check in told["checks"] if check["state"] == "bad")
    assert not told["healthy"] and found["name"] == "store"
    assert f"{table.name} is missing" in found["text"] and f"putting {table.name} back" in found["fix"]
    assert "lsmkv can work here, but this store is damaged" in lsmkv("doctor", store, status=4)


def test_doctor_names_the_apt_line_for_a_library_that_is_missing():
    for check in answer("doctor")["checks"]:
        if check["name"] in ("lz4", "zstd"):
            assert (check["state"] == "good") != ("apt install" in check["fix"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_doctor_where_nothing_can_be_written():
    told = answer("doctor", "/proc", status=3)
    assert not told["healthy"]


def test_version():
    assert lsmkv("version").startswith("lsmkv ") and lsmkv("--version") == lsmkv("version")
    told = answer("version")
    assert set(told) == {"version", "build", "python"} and told["version"][0].isdigit()
