"""shell: commands at a prompt, from a pipe and on a terminal."""

import json
import os
import pty
import select
import subprocess
import sys

import pytest

import lsmkv as library
from lsmkv.cli.catalog import catalog
from lsmkv.cli.line import Completer, Keys, history_file, typeable
from lsmkv.cli.shell import COMMANDS


def piped(path, lines, status=0):
    done = subprocess.run(
        [sys.executable, "-m", "lsmkv", "shell", os.fspath(path)], input=lines, capture_output=True, timeout=200
    )
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    assert b"Traceback" not in done.stderr
    return done.stdout, done.stderr


def test_commands_from_a_pipe(path):
    said, complained = piped(
        path, b"put a 1\nput 'two words' \"it's\"\n\n# nothing\nget a\nscan --reverse\nrm a\nkeys\n"
    )
    assert said == b"1\ntwo words\tit's\na\t1\ntwo words\n" and not complained


def test_the_last_line_needs_no_end(path):
    assert piped(path, b"put a 1\nget a")[0] == b"1\n"


def test_a_negative_answer_goes_on_and_a_failure_ends(path):
    said, complained = piped(path, b"put a 1\nget b\nget a\nput c\nput a 2\n", status=2)
    assert said == b"1\n" and complained.splitlines() == [
        b"lsmkv get: b is not there",
        b"put: the following arguments are required: VALUE. Try: put --help",
        b"lsmkv shell: ended by line 4",
    ]
    assert piped(path, b"get a\n")[0] == b"1\n"


@pytest.mark.parametrize(
    "line, wrong",
    [
        (b"nonsense", b"there is no command 'nonsense' here"),
        (b"destroy", b"there is no command 'destroy' here"),
        (b"get 'a", b"a quote is not closed"),
        (b"delete --all", b"nothing was done"),
    ],
)
def test_what_ends_a_script(path, line, wrong):
    said, complained = piped(path, b"put a 1\n" + line + b"\nput a 2\n", status=2)
    assert wrong in complained and b"ended by line 2" in complained
    assert piped(path, b"get a\n")[0] == b"1\n"


def test_quit_leaves(path):
    for word in (b"quit", b"exit"):
        assert piped(path, b"put a 1\n" + word + b"\nnonsense\n") == (b"", b"")


def test_help(path):
    said, _ = piped(path, b"help\n")
    for name in COMMANDS:
        assert f"\n{name}".encode() in b"\n" + said
    assert b"DB" not in said and b"batch" not in said
    told, _ = piped(path, b"help scan\n")
    assert (
        told.startswith(b"usage: scan [options]\n") and b"DB" not in told and piped(path, b"scan --help\n")[0] == told
    )
    assert b"usage: scan" in piped(path, b"help keys\n")[0]


def test_json_is_for_every_command_typed(path):
    done = subprocess.run(
        [sys.executable, "-m", "lsmkv", "shell", path, "--json"],
        input=b"put a 1\nget a\nget b\n",
        capture_output=True,
        timeout=200,
        check=True,
    )
    stored, found, missing = (json.loads(line) for line in done.stdout.splitlines())
    assert stored["stored"] and found == {"key": "a", "found": True, "value": "1"}
    assert missing == {"key": "b", "found": False} and not done.stderr


def test_json_and_bytes_that_are_not_utf8(path):
    said, _ = piped(path, b"put \xff \xfe\nscan --json\nget \xff --value-format hex\n")
    assert said == b'{"key_base64": "/w==", "value_base64": "/g=="}\nfe\n'


def test_the_store_comes_from_the_environment(path):
    env = {**os.environ, "LSMKV_DB": str(path)}
    command = [sys.executable, "-m", "lsmkv", "shell", "@"]
    subprocess.run(command, input=b"put a 1\n", check=True, timeout=200, env=env)
    with library.open(path, "r") as db:
        assert db[b"a"] == b"1"


def test_another_process_may_write_between_two_commands(path):
    with subprocess.Popen(
        [sys.executable, "-m", "lsmkv", "shell", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdin.write(b"put a 1\nget a\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"1\n"
        with library.open(path, "w") as db:
            db[b"a"] = b"2"
        said, _ = process.communicate(b"get a\n", timeout=200)
    assert said == b"2\n" and process.returncode == 0


class Terminal:
    """lsmkv shell on a terminal: type(), then shows() waits for what must appear."""

    def __init__(self, path, state):
        self.ours, theirs = pty.openpty()
        env = {**os.environ, "TERM": "dumb", "XDG_STATE_HOME": str(state), "INPUTRC": os.devnull}
        command = [sys.executable, "-m", "lsmkv", "shell", os.fspath(path)]
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True, preexec_fn=adopt
        )
        os.close(theirs)
        self.seen = b""

    def type(self, data):
        os.write(self.ours, data)

    def shows(self, wanted):
        """All that was shown up to `wanted`."""
        while wanted not in self.seen:
            assert select.select([self.ours], [], [], 30)[0], self.seen
            self.seen += os.read(self.ours, 4096)
        before, _, self.seen = self.seen.partition(wanted)
        return before

    def interrupts(self, wanted):
        """Ctrl-C until `wanted` is shown: one that comes while readline makes the terminal ready is not looked at
        before the next key."""
        for _ in range(30):
            self.type(b"\x03")
            while wanted not in self.seen and select.select([self.ours], [], [], 1)[0]:
                self.seen += os.read(self.ours, 4096)
            if wanted in self.seen:
                break
        self.shows(wanted)

    def ends(self):
        try:
            while os.read(self.ours, 4096):
                pass
        except OSError:
            pass  # the other side is closed
        os.close(self.ours)
        return self.process.wait(200)


def adopt():
    """Make standard input the controlling terminal, so that Ctrl-C reaches the process."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def terminal(path, tmp_path):
    found = Terminal(path, tmp_path / "state")
    yield found
    found.process.kill()
    found.process.wait(200)


def test_on_a_terminal(terminal, path, tmp_path):
    terminal.shows(b"the first put makes it")
    terminal.shows(b"store> ")
    terminal.type(b"put apple red\n")
    terminal.shows(b"store> ")
    terminal.type(b"get nothing\n")
    terminal.shows(b"lsmkv get: nothing is not there\r\n")
    terminal.shows(b"store> ")
    terminal.type(b"get apple\n")
    terminal.shows(b"red\r\n")
    terminal.shows(b"store> ")
    terminal.type(b"put half a li")
    terminal.shows(b"put half a li")
    terminal.interrupts(b"store> ")
    terminal.type(b"exists half\n")
    terminal.shows(b"no\r\n")
    terminal.shows(b"store> ")
    terminal.type(b"\x04")
    assert terminal.ends() == 0


def test_ctrl_c_stops_the_command_and_not_the_shell(terminal, path):
    terminal.shows(b"store> ")
    terminal.type(b"stat --watch 100\n")
    terminal.shows(b"there is no store at")
    terminal.shows(b"store> ")
    terminal.type(b"put a 1\n")
    terminal.shows(b"store> ")
    terminal.type(b"stat --watch 100\n")
    terminal.shows(b"pinned_bytes")
    terminal.type(b"\x03")
    terminal.shows(b"lsmkv stat: interrupted.")
    terminal.shows(b"store> ")
    terminal.type(b"quit\n")
    assert terminal.ends() == 0


def test_tab_and_history(terminal, path, tmp_path):
    pytest.importorskip("readline", reason="this Python has no readline")
    terminal.shows(b"store> ")
    terminal.type(b"put apple red\n")
    terminal.shows(b"store> ")
    terminal.type(b"g\tap\t\n")
    terminal.shows(b"get apple")
    terminal.shows(b"red\r\n")
    terminal.shows(b"store> ")
    terminal.type(b"quit\n")
    assert terminal.ends() == 0
    history = tmp_path / "state" / "lsmkv" / "history"
    assert "put apple red\n" in history.read_text() and history.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "before, text, words",
    [
        ("", "ge", "get"),
        ("", "q", "quit"),
        ("", "h", "help"),
        ("help ", "sc", "scan"),
        ("get ", "--k", "--key-format"),
        ("get a --key-format ", "b", "base64"),
        ("get ", "k", "key1 key2"),
        ("rm key1 ", "key2", "key2"),
        ("scan --start ", "key1", "key1"),
        ("scan --limit ", "", ""),
        ("scan ", "k", ""),
        ("get --key-format hex ", "k", ""),
        ("nonsense ", "k", ""),
    ],
)
def test_what_tab_offers(before, text, words):
    completer = Completer(catalog(COMMANDS, shell=True), lambda prefix: ["key1", "key2"])
    assert [word.rstrip() for word in completer.candidates(before, text)] == words.split()


def test_tab_offers_keys_that_can_be_typed(path):
    with library.open(path) as db:
        db.update({b"k%03d" % at: b"" for at in range(100)})
        db.update({b"a b": b"", b"a'": b"", b"a\xff": b"", b"-a": b"", b"ab": b"", b"a\n": b"", b"": b""})
    keys = Keys(path)
    assert keys("a") == ["ab"] and keys("k01")[:2] == ["k010", "k011"] and len(keys("k")) == 50
    assert keys("zzz") == [] and typeable(b"") is None
    assert Keys(path / "nowhere")("a") == []


def test_tab_gives_up_on_a_slow_store(path, monkeypatch):
    with library.open(path) as db:
        db[b"a"] = b""
    keys = Keys(path)
    monkeypatch.setattr("lsmkv.cli.line.PATIENCE", -1)
    assert keys("a") == ["a"] and keys("a") == []


def test_where_the_history_is(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert history_file() == "/somewhere/lsmkv/history"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")  # the specification says to ignore it
    monkeypatch.setenv("HOME", "/home/someone")
    assert history_file() == "/home/someone/.local/state/lsmkv/history"
