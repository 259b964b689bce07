"""The help of every command, as it is printed 80 columns wide, and docs/cli.md, which is made from the same parsers.

`tools/write_cli_docs.py` writes both anew.
"""

import os
import sys
from pathlib import Path

import pytest

from lsmkv.cli.parser import ALL, other_names

HELP = Path(__file__).parent / "data" / "help"
ENVIRONMENT = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}


@pytest.mark.parametrize("name", ALL)
def test_help(run, name):
    wanted = (HELP / f"{name}.txt").read_text(encoding="utf-8")
    done = run(sys.executable, "-m", "lsmkv", name, "--help", env=ENVIRONMENT)
    assert done.stdout == wanted and not done.stderr, "tools/write_cli_docs.py writes the help anew"


def test_help_of_lsmkv(run):
    done = run(sys.executable, "-m", "lsmkv", "--help", env=ENVIRONMENT)
    assert done.stdout == (HELP / "lsmkv.txt").read_text(encoding="utf-8")
    for name in ALL:
        assert all(word in done.stdout for word in (name, *other_names(name)))


def test_there_is_one_file_a_command():
    assert {path.stem for path in HELP.iterdir()} == {"lsmkv", *ALL}


@pytest.mark.parametrize("name", ALL)
def test_help_fits_and_shows_an_example(name):
    text = (HELP / f"{name}.txt").read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith(f"usage: lsmkv {name}") and "--json" in text
    assert f"\n  lsmkv {name}" in text or f"lsmkv {name}" in text.split("example", 1)[1]


def test_the_documents_are_current(source_tree, run):
    run(sys.executable, source_tree / "tools" / "write_cli_docs.py", "--check")
