"""Every example in the documentation runs: README.md as one session, docstrings of the package and of the extension."""

import doctest
import importlib
import os
import pkgutil
import re
import sys
from pathlib import Path

import pytest

import lsmkv
import lsmkv.aio
import lsmkv.dbm
from lsmkv import _core

ROOT = Path(__file__).parent.parent
OPTIONS = doctest.IGNORE_EXCEPTION_DETAIL


def played(text, name, names, options=OPTIONS):
    """How many examples of the text ran; the ones that are skipped say so themselves."""
    test = doctest.DocTestParser().get_doctest(text, names, name, name, 0)
    told = []
    done = doctest.DocTestRunner(optionflags=options).run(test, out=told.append)
    assert done.failed == 0, "".join(told)
    return done.attempted


def docstrings_of_extension():
    """(name, text) of each docstring with examples, every text once: methods are shared by several types."""
    seen = set()
    for owner in ("LSM", "Snapshot", "Transaction", "WriteBatch", "Cursor", "RangeView", "KeysView", "ManualClock"):
        kind = getattr(_core, owner)
        for name, member in [("", kind), *sorted(vars(kind).items())]:
            text = member.__doc__ if isinstance(member.__doc__, str) else ""
            if ">>>" in text and text not in seen:
                seen.add(text)
                yield pytest.param(text, id=f"{owner}.{name}".rstrip("."))


EXTENSION = list(docstrings_of_extension())


@pytest.mark.parametrize("text", EXTENSION)
def test_docstrings_of_the_extension(text):
    with lsmkv.open(None, key="str", value="str") as db:
        assert played(text, "docstring", {"lsmkv": lsmkv, "db": db}) > 0


def test_the_main_methods_have_examples():
    names = {param.id.partition(".")[2] for param in EXTENSION}
    assert names >= {
        *("get", "get_many", "get_view", "put", "update", "pop", "popitem", "setdefault", "add", "discard", "merge"),
        *("compare_and_set", "incr", "ttl", "touch", "keys", "items", "range", "prefix", "first", "floor", "higher"),
        *("cursor", "batch", "snapshot", "transaction", "transact", "namespace", "delete_range", "explain", "chunks"),
    }
    assert len(EXTENSION) >= 35


def modules():
    yield "lsmkv"
    for found in pkgutil.walk_packages(lsmkv.__path__, "lsmkv."):
        if not found.name.endswith("__main__") and found.name != "lsmkv._core":
            yield found.name


# The package shows the types of the extension as its own.
FEWEST = {"lsmkv": 2, "lsmkv.codecs": 10, "lsmkv.dbm": 6, "lsmkv.aio": 3}


@pytest.mark.parametrize("name", list(modules()))
def test_docstrings_of_the_package(name):
    module = importlib.import_module(name)
    told, attempted = [], 0
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        if name != "lsmkv" or test.name.split(".")[1:2] == [] or not hasattr(_core, test.name.split(".")[1]):
            done = doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=told.append)
            assert done.failed == 0, "".join(told)
            attempted += done.attempted
    assert attempted >= FEWEST.get(name, 0)


def test_the_api_document_is_current(source_tree, run):
    run(sys.executable, source_tree / "tools" / "api_docs.py", "--check")


def test_the_api_document_has_no_escaped_emphasis(source_tree):
    """What a docstring *stresses*, or **stresses more**, Markdown does too."""
    assert "\\*" not in (source_tree / "docs" / "api.md").read_text(encoding="utf-8")


def test_the_tutorial(source_tree, tmp_path, monkeypatch):
    """Sizes and file numbers may be other ones: a `...` stands for them."""
    monkeypatch.chdir(tmp_path)
    text = (source_tree / "docs" / "tutorial.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```pycon\n(.*?)^```$", text, re.S | re.M)
    loose = OPTIONS | doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert played("\n".join(blocks), "tutorial.md", {}, loose) >= 25
    assert os.listdir(tmp_path) == []


def test_readme(tmp_path, monkeypatch):
    if not (ROOT / "README.md").exists():
        pytest.skip("the README is not part of the installed tests")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```pycon\n(.*?)^```$", (ROOT / "README.md").read_text(), re.S | re.M)
    assert len(blocks) >= 2
    assert played("\n".join(blocks), "README.md", {}) >= 23
    assert os.listdir(tmp_path) == ["fruit.db"]
