"""`lsmkv demo`: the main job, small. It tells its story, checks itself, and what it leaves can be used."""

import json
import os
import shlex
import signal
import subprocess
import sys

import pytest


def demo(*argv, status=0, **rest):
    done = subprocess.run(
        [sys.executable, "-m", "lsmkv", "demo", *map(os.fspath, argv)],
        **{"capture_output": True, "text": True, "timeout": 100, **rest},
    )
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout


def test_the_demo_tells_its_story_and_leaves_commands_that_work(path):
    told = demo("--small", "--path", path)
    for words in (
        "Unicode",
        "standard library",
        "Rename and delete a tenth",
        "Flush and merge",
        "SIGKILL",
        "Three commands",
    ):
        assert words in told
    assert "FAILED" not in told and told.count("ok: ") == 4
    assert max(map(len, told.splitlines())) < 120 + len(str(path))
    commands = [line.strip() for line in told.partition("Three commands")[2].splitlines() if line.startswith("  ")]
    assert len(commands) == 3
    for command in commands:
        words = shlex.split(command)
        at = words.index(str(path)) - 1  # the command may be called lsmkv, or python -m lsmkv
        done = subprocess.run([sys.executable, "-m", "lsmkv", *words[at:]], capture_output=True, text=True, timeout=200)
        assert done.returncode == 0 and done.stdout


def test_the_demo_in_numbers(path):
    told = json.loads(demo("--small", "--path", path, "--json", "--no-keep"))
    assert all(told["checks"].values()) and len(told["checks"]) >= 6
    assert told["characters"]["pairs"] > 20_000 and told["words"]["pairs"] >= 60_000
    changed = told["change"]["renamed"] + told["change"]["deleted"]
    assert changed > (told["characters"]["pairs"] + told["words"]["pairs"]) / 30
    assert told["kill"]["acknowledged"] == told["kill"]["kept"] > 0 and told["kill"]["extra"] <= 1
    assert not path.exists()


def test_the_demo_replaces_nothing_unasked(path):
    path.mkdir()
    (path / "precious.txt").write_text("mine")
    demo("--small", "--path", path, status=2)
    assert os.listdir(path) == ["precious.txt"]
    subprocess.run([sys.executable, "-m", "lsmkv", "demo", "--small", "--path", path, "--yes"], capture_output=True)
    assert (path / "precious.txt").read_text() == "mine"  # not a store: not even with --yes


def test_the_store_is_usable_after_a_kill(path):
    """The writer the demo kills, killed here in the first moments of its life."""
    import lsmkv
    from lsmkv.demo.crash import survivors

    lsmkv.open(path).close()
    for again in (False, True, True):
        writer = subprocess.Popen([sys.executable, "-m", "lsmkv.demo.writer", path], stdout=subprocess.PIPE)
        heard = writer.stdout.read(8 * 50)
        writer.send_signal(signal.SIGKILL)
        heard += writer.stdout.read()
        writer.stdout.close()
        writer.wait()
        with lsmkv.open(path) as db:
            kept, extra = survivors(db, len(heard) // 8)
        assert kept == len(heard) // 8 >= 50
        assert extra <= 1 or again  # later rounds begin again at 1, over what the longest of them left


@pytest.mark.slow
def test_the_whole_demo(path):
    told = json.loads(demo("--path", path, "--json", "--no-keep"))
    assert all(told["checks"].values())
    assert told["characters"]["pairs"] > 250_000
    assert told["words"]["pairs"] > 500_000  # a Python without its test suite has about a million
