"""What a command imports: `lsmkv get` starts in milliseconds because it loads next to nothing."""

import os
import sys

import pytest

import lsmkv

# Each of these costs a millisecond or more, or pulls in what does.
HEAVY = {
    *("ast", "asyncio", "base64", "contextlib", "csv", "ctypes", "dataclasses", "difflib", "importlib.util", "inspect"),
    *("json", "logging", "pathlib", "platform", "readline", "random", "shlex", "shutil", "socket", "subprocess"),
    *(
        "tempfile",
        "threading",
        "traceback",
        "typing",
        "urllib",
        "lsmkv.options",
        "lsmkv.differences",
        "lsmkv.cli.catalog",
    ),
}
CODE = """
import argparse, os, sys
argparse.ArgumentParser().add_argument("--it", help="help")
theirs = set(sys.modules)
sys.path.insert(0, sys.argv[1])
from lsmkv.cli import main
sys.stdout.flush()
answers = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
code = main(sys.argv[2:])
os.write(answers, " ".join([str(code), *sorted(set(sys.modules) - theirs)]).encode())
"""


@pytest.mark.parametrize(
    "command",
    [
        ["get", "k"],
        ["get", "k", "--namespace", "n"],
        ["put", "k", "v", "--ttl", "9"],
        ["exists", "k"],
        ["scan"],
        ["delete", "k"],
        ["incr", "n"],
    ],
    ids=" ".join,
)
def test_a_command_on_data_imports_nothing_heavy(path, run, command):
    with lsmkv.open(path) as db:
        db[b"k"] = db.namespace("n")[b"k"] = b"v"
    where = os.path.dirname(os.path.dirname(lsmkv.__file__))
    status, *modules = run(sys.executable, "-S", "-E", "-c", CODE, where, command[0], path, *command[1:]).stdout.split()
    assert status == "0" and "lsmkv.cli.data" in modules
    assert HEAVY.intersection(modules) == set()


def test_the_parts_of_the_package_that_wait_are_there_when_asked_for(run_python):
    code = "import sys, lsmkv; assert 'lsmkv.options' not in sys.modules; lsmkv.Options; lsmkv.diff; lsmkv.Difference"
    run_python(f"{code}; assert not set(lsmkv.__all__) - set(dir(lsmkv)); from lsmkv import *; Options, diff")
    run_python("import lsmkv\ntry: lsmkv.nothing\nexcept AttributeError as e: assert 'nothing' in str(e)\nelse: 1/0")
