"""What the command line says and returns when something is wrong: one clear line, the right exit code, no traceback."""

import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest

import lsmkv as library
from lsmkv.cli import exits

READING = [["get", "k"], ["exists", "k"], ["scan"], ["export"], ["dump"], ["dump", "--format", "mdb"], ["verify"]]
READING += [["info"], ["stat"], ["levels"], ["tables"], ["explain", "k"], ["options"]]
CHANGING = [["delete", "k"], ["flush"], ["compact"], ["delete", "--all", "--yes"]]
HOLDER = """
import sys, lsmkv
with lsmkv.open(sys.argv[1]) as db:
    db[b"k"] = b"v"
    print("held", flush=True)
    sys.stdin.read()
"""


def start(*argv, **rest):
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-m", "lsmkv", *map(os.fspath, argv)], **{**pipe, **rest})


def lsmkv(*argv, status=0, stdin=b"", **rest):
    process = start(*argv, **rest)
    said, complained = process.communicate(stdin, timeout=200)
    assert process.returncode == status, (argv, process.returncode, said, complained)
    assert b"Traceback" not in complained
    return said, complained


def placed(command, path):
    return [command[0], path, *command[1:]]


@pytest.fixture
def store(path):
    lsmkv("put", path, "k", "v")
    return path


@pytest.fixture
def held(path):
    """A store that another process is writing to."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    yield path, holder.pid
    holder.stdin.close()
    assert holder.wait(200) == 0
    holder.stdout.close()


@pytest.mark.parametrize("command", READING + CHANGING + [["destroy", "--yes"]], ids=" ".join)
def test_no_store_there(path, command):
    _, complained = lsmkv(*placed(command, path), status=3)
    assert complained.count(b"\n") == 1 and str(path).encode() in complained
    of_what_is_there = command[0] in ("export", "dump", "verify", "destroy")
    assert (b" Try: another path" if of_what_is_there else b" Try: lsmkv put") in complained
    assert not path.exists()


def test_errors_in_json(path):
    said, complained = lsmkv("get", path, "k", "--json", status=3)
    told = json.loads(complained)
    assert said == b"" and told["exit"] == 3 and str(path) in told["error"] and told["try"] and told["type"]


@pytest.mark.parametrize("command", [["get", "k"], ["put", "k", "v"], ["info"], ["verify"]], ids=" ".join)
def test_a_file_where_the_directory_should_be(path, command):
    path.write_text("not a store")
    _, complained = lsmkv(*placed(command, path), status=3)
    assert complained.count(b"\n") == 1 and path.read_text() == "not a store"


@pytest.mark.parametrize(
    "argv",
    [[], ["nonsense"], ["get"], ["get", "DB"], ["scan", "DB", "--limit", "-1"], ["scan", "DB", "--key-format", "x"]]
    + [["stat", "DB", "--watch", "0"], ["diff", "DB"], ["completion", "tcsh"]],
    ids=" ".join,
)
def test_bad_usage(argv, tmp_path):
    _, complained = lsmkv(*argv, status=2, cwd=tmp_path)
    assert complained.startswith(b"lsmkv") and b"--help" in complained
    assert not os.listdir(tmp_path)


def test_a_command_that_was_misspelt_is_guessed():
    _, complained = lsmkv("exprot", "DB", status=2)
    assert complained == b"lsmkv: there is no command 'exprot'. Try: lsmkv export\n"


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_reading_commands_work_while_another_process_writes(held, command):
    lsmkv(*placed(command, held[0]))


@pytest.mark.parametrize("command", CHANGING + [["put", "k", "2"], ["batch"], ["destroy", "--yes"]], ids=" ".join)
def test_writing_commands_name_the_process_that_holds_the_store(held, command):
    path, pid = held
    _, complained = lsmkv(*placed(command, path), status=5)
    assert str(pid).encode() in complained and complained.count(b"\n") == 1
    assert lsmkv("get", path, "k") == (b"v", b"")


def test_the_holder_is_a_fact_in_json(held):
    path, pid = held
    _, complained = lsmkv("put", path, "k", "2", "--json", status=5)
    assert json.loads(complained)["pid"] == pid


def fill(path, number=20_000):
    rows = "".join(f"key{at:06}\tvalue\n" for at in range(number)).encode()
    lsmkv("import", path, "-", "--format", "tsv", "--no-header", "--key", "1", "--value", "2", stdin=rows)


@pytest.mark.parametrize(
    "command", [["scan"], ["export"], ["scan", "--json"], ["dump"], ["dump", "--format", "mdb"]], ids=" ".join
)
def test_a_reader_that_leaves_early_is_no_error(path, command):
    fill(path)
    process = start(*placed(command, path))
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(200) == 0
    assert process.stderr.read() == b""
    process.stdin.close(), process.stderr.close()


def test_nobody_reads_the_help():
    ours, theirs = os.pipe()
    os.close(ours)
    process = start("get", "--help", stdout=theirs)
    os.close(theirs)
    assert process.communicate(timeout=200)[1] == b"" and process.returncode == 0


def test_a_full_disk_under_the_output(store):
    with open("/dev/full", "wb") as full:
        process = start("get", store, "k", stdout=full)
        assert b"No space left" in process.communicate(timeout=200)[1]
    assert process.returncode == 3


def test_ctrl_c_is_130_and_one_line(path):
    lsmkv("put", path, "k", "v")
    process = start("import", path, "-", "--format", "txt")
    process.stdin.write(b"word\n" * 5000)
    process.stdin.flush()
    while lsmkv("scan", path, "--count")[0] == b"1\n":
        time.sleep(0.05)  # until it is inside the import, and has stored its first chunk
    process.send_signal(signal.SIGINT)
    _, complained = process.communicate(timeout=200)
    assert process.returncode == 130
    assert complained.startswith(b"lsmkv import: interrupted") and complained.count(b"\n") == 1
    assert lsmkv("get", path, "word")[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_no_permission(store):
    os.chmod(store, 0)
    try:
        assert b"ermission" in lsmkv("get", store, "k", status=3)[1]
        os.chmod(store, 0o500)
        os.chmod(store / "LOCK", 0o400)
        assert b"LOCK: it cannot be opened for writing; to read, use flag" in lsmkv("put", store, "k", "v", status=3)[1]
        lsmkv("get", store, "k")
        said = lsmkv("put", store / "inner", "k", "v", status=3)[1]
        assert b"can be neither opened nor made" in said and said.endswith(f"Try: ls -ld {store}\n".encode())
    finally:
        os.chmod(store, 0o700)


def test_what_is_not_there_is_not_looked_at(tmp_path):
    for missing in ("new", "new/er"):
        error = PermissionError(13, "Permission denied", str(tmp_path / missing))
        assert exits.explain(error).hint == f"ls -ld {tmp_path}"
    assert exits.explain(PermissionError(13, "Permission denied", "nowhere")).hint == "ls -ld ."


def test_key_too_long(path):
    _, complained = lsmkv("put", path, "k" * 65_536, "v", status=2)
    assert b"65" in complained and len(complained) < 1000


def on_a_terminal(*argv, typed=b"", env=None):
    """(exit code, everything shown) of lsmkv with stdin, stdout and stderr on one terminal."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", **(env or {})}
    command = [sys.executable, "-m", "lsmkv", *map(os.fspath, argv)]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    shown = b""
    if typed:
        while b": " not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, typed)
    while True:
        try:
            more = os.read(ours, 4096)
        except OSError:
            break
        if not more:
            break
        shown += more
    os.close(ours)
    return process.wait(200), shown


def test_a_terminal_is_sent_no_control_bytes(path):
    lsmkv("put", path, "k", stdin=b"\x1b[31mred\xff\n\x07")
    code, shown = on_a_terminal("get", path, "k")
    assert (code, shown) == (0, b"\\x1b[31mred\\xff\\n\\x07\r\n")
    assert on_a_terminal("get", path, "k", "--value-format", "raw")[1].startswith(b"\x1b[31mred\xff")
    assert on_a_terminal("scan", path)[1] == b"k\t\\x1b[31mred\\xff\\n\\x07\r\n"


def test_consent_is_asked_for_on_a_terminal(store):
    code, shown = on_a_terminal("delete", store, "--all", typed=b"no\n")
    assert code == 2 and b"delete 1 key" in shown and b"nothing was done" in shown
    assert lsmkv("scan", store, "--count")[0] == b"1\n"
    code, shown = on_a_terminal("destroy", store, typed=b"yes\n")
    assert code == 0 and not store.exists()


@pytest.mark.parametrize(
    "argv, says",
    [
        (["tables", "DB", "999"], "lsmkv tables: '999': nothing more is taken. Try: lsmkv tables --help"),
        (["ls", "DB", "--deep"], "lsmkv scan: there is no option '--deep'. Try: lsmkv scan --help"),
        (["get", "--wait", "DB", "k", "--", "-x"], "lsmkv get: there is no option '--wait'. Try: lsmkv get --help"),
        (["exists", "DB", "k", "--", "-x"], "lsmkv exists: '-x': nothing more is taken. Try: lsmkv exists --help"),
        (["put", "DB", "k", "v", "--ttl", "1h"], "lsmkv put: argument --ttl: 1h is not a number of seconds above 0."),
        (["scan", "DB", "--limit", "x"], "lsmkv scan: argument --limit: x is not a whole number."),
        (["stat", "DB", "--watch", "x"], "lsmkv stat: argument --watch: x is not a number of seconds above 0."),
        (["get", "", "k"], "lsmkv get: path='': it names the directory of a store"),
    ],
)
def test_what_is_too_much_or_nothing_is_told_by_its_command(path, argv, says):
    lsmkv("put", path, "k", "v")
    said, complained = lsmkv(*(path if word == "DB" else word for word in argv), status=2)
    assert said == b"" and complained.startswith(says.encode())


@pytest.mark.parametrize(
    "codec, typed, says",
    [
        ("(str,i64)", "ann", 'it is a JSON list of 2, such as ["text",7]'),
        ("(bool,(uuid,f64))", "x", 'such as [true,["6ba7b810-9dad-11d1-80b4-00c04fd430c8",2.5]]'),
        ("f64", "much", "it is a number"),
        ("bool", "yes", "it is true or false"),
    ],
)
def test_how_a_typed_key_is_typed(path, codec, typed, says):
    library.open(path, key=codec).close()
    complained = lsmkv("get", path, typed, status=2)[1].decode()
    assert f"the key '{typed}' is not one of codec {codec}: " in complained and says in complained


@pytest.mark.parametrize("command", [["scan"], ["get", "k"], ["verify"], ["destroy", "--yes"], ["diff", "elsewhere"]])
def test_a_directory_that_is_no_store_gets_one_hint_that_fits(tmp_path, command):
    place = tmp_path / "letters"
    place.mkdir()
    (place / "letter.txt").write_text("precious")
    _, complained = lsmkv(*placed(command, place), status=3)
    assert complained.decode() == (
        f"lsmkv {command[0]}: there is no store at {place}. Try: another path: {place} holds other things, and a store "
        "is a directory with a file CURRENT in it\n"
    )
    _, complained = lsmkv(*placed(command, tmp_path / "nowhere"), status=3)
    assert (b"KEY VALUE" in complained) == (command[0] in ("scan", "get"))


def test_a_store_in_a_directory_that_is_not_there(tmp_path):
    _, complained = lsmkv("put", tmp_path / "no" / "db", "k", "v", status=3)
    assert complained.decode().endswith(f"Try: mkdir -p {tmp_path / 'no'}\n")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a file system that takes no new directories")
def test_where_no_store_can_be_made_nobody_is_told_to_make_one():
    for words in (("put", "/proc/fruit.db", "apple", "red"), ("incr", "/proc/fruit.db", "visits")):
        said = start(*words).communicate()[1].decode()
        assert "Try: another path: /proc takes no new directories" in said and "lsmkv put /proc" not in said


@pytest.mark.parametrize("command", ["get", "delete"])
def test_a_key_that_is_not_there_is_told_as_it_was_typed(path, command):
    library.open(path, key="(str,i64)").close()
    assert start(command, path, '["pear",7]').communicate()[1] == f'lsmkv {command}: ["pear",7] is not there\n'.encode()


@pytest.mark.parametrize("name", ["nofile", "nofile.jsonl"])
def test_import_of_a_file_that_is_not_there(tmp_path, name):
    _, complained = lsmkv("import", tmp_path / "db", tmp_path / name, status=3)
    assert complained.decode() == f"lsmkv import: {tmp_path / name}: No such file or directory.\n"
    assert not (tmp_path / "db").exists()
