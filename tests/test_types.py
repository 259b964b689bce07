"""tests/typing/right.py, which `make types` gives to type checkers, does at run time what its types say."""

import asyncio
import runpy
from pathlib import Path

import pytest

RIGHT = runpy.run_path(str(Path(__file__).parent / "typing" / "right.py"))
SECTIONS = ["opening", "key_codecs", "mapping", "views", "cursors", "groups", "subclasses", "beside"]


@pytest.mark.parametrize("name", SECTIONS)
def test_right_uses(name):
    RIGHT[name]()


def test_right_uses_of_the_asynchronous_store():
    asyncio.run(RIGHT["awaited"]())


def test_overrides_are_words():
    with RIGHT["by_words"](page_bytes=512) as db:
        assert db.options["page_bytes"] == 512
