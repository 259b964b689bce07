"""Every public name says what it is and what it costs or raises, has its types, and is used by some test."""

import ast
import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import lsmkv
import lsmkv.aio
import lsmkv.dbm
from lsmkv import codecs

HERE = Path(__file__).parent
TYPES = [
    *(lsmkv.LSM, lsmkv.Snapshot, lsmkv.Transaction, lsmkv.WriteBatch, lsmkv.Cursor, lsmkv.ManualClock),
    *(lsmkv.RangeView, lsmkv.KeysView, lsmkv.ValuesView, lsmkv.ItemsView, lsmkv.Iterator),
    *(codecs.KeyCodec, codecs.ValueCodec),
]
PLAIN = [lsmkv.dbm.Database, *(getattr(lsmkv.aio, name) for name in lsmkv.aio.__all__)]
FUNCTIONS = [
    *(lsmkv.open, lsmkv.destroy, lsmkv.verify, lsmkv.diff, lsmkv.features, lsmkv.Options.preset),
    *(codecs.key, codecs.value, codecs.struct, codecs.msgspec, codecs.tuple_, codecs.desc),
    *(lsmkv.aio.open, lsmkv.dbm.open, lsmkv.dbm.whichdb),
]
# A sentence on what it costs, or on what may go wrong.
TELLS = re.compile(r"\b[Cc]osts?\b|\bRaises\b|\b[A-Z]\w+Error\b|\berror\b")
# What costs and raises nothing of its own: a line of text would say no more than that.
HARMLESS = {lsmkv.features, codecs.desc, codecs.tuple_, lsmkv.dbm.whichdb, lsmkv.aio.open, lsmkv.open}


def own(kind):
    return {name: inspect.getattr_static(kind, name) for name in dir(kind) if not name.startswith("_")}


def is_method(member):
    return callable(member) or isinstance(member, classmethod | staticmethod)


def members(kinds):
    return [pytest.param(kind, name, id=f"{kind.__name__}.{name}") for kind in kinds for name in own(kind)]


@pytest.mark.parametrize("kind, name", members(TYPES))
def test_members_of_the_extension(kind, name):
    member = own(kind)[name]
    assert member.__doc__ and member.__doc__.strip()
    if is_method(member):
        assert TELLS.search(member.__doc__), f"what does {kind.__name__}.{name} cost, or raise?"
        assert member.__text_signature__


@pytest.mark.parametrize("kind, name", members(PLAIN))
def test_members_of_the_package(kind, name):
    member = own(kind)[name]
    assert isinstance(member, property) or inspect.isfunction(member)
    assert inspect.getdoc(member)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda one: f"{one.__module__}.{one.__qualname__}")
def test_functions(function):
    assert function.__doc__
    assert function in HARMLESS or TELLS.search(function.__doc__)


def test_every_public_name_has_a_docstring():
    nameless = {name for name in lsmkv.__all__ if not inspect.getdoc(getattr(lsmkv, name))}
    assert nameless == set()
    listed = {name for name in dir(lsmkv) if not name.startswith("_")}
    modules = {name for name in listed if inspect.ismodule(getattr(lsmkv, name))} - {"codecs"}
    assert listed - modules - {"open", "TYPE_CHECKING", "annotations"} == set(lsmkv.__all__)
    for module in (codecs, lsmkv.aio, lsmkv.dbm):
        assert module.__doc__ and all(inspect.getdoc(getattr(module, name)) for name in module.__all__)


def test_the_fields_of_options_are_told_with_their_units():
    body = ast.parse(inspect.getsource(lsmkv.Options)).body[0].body
    told = {
        field.target.id: text.value.value
        for field, text in zip(body, body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }
    assert told.keys() == {field.name for field in dataclasses.fields(lsmkv.Options)}
    for name, text in told.items():
        unit = {"bytes": "ytes", "ms": "illiseconds", "ttl": "econds", "count": "umber", "segments": "umber"}
        wanted = unit.get(name.rsplit("_", 1)[-1], "")
        assert wanted in text, f"{name}: in which unit?"


# ---- the stub --------------------------------------------------------------------------------------


def stub():
    """{class: (names, bases)} of the stub."""
    tree = ast.parse((Path(lsmkv.__file__).parent / "_core.pyi").read_text())
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            names = {getattr(one, "name", None) or one.target.id for one in ast.walk(node) if named(one)}
            bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
            found[node.name] = names, [base.id for base in bases if isinstance(base, ast.Name)]
    return found


def named(node):
    return isinstance(node, ast.FunctionDef) or isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)


STUB = stub()


def stubbed(kind):
    names, bases = STUB[kind]
    return names.union(*(stubbed(base) for base in bases if base in STUB))


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.__name__)
def test_the_stub_has_every_member(kind):
    assert own(kind).keys() <= stubbed(kind.__name__)


# ---- the tests -------------------------------------------------------------------------------------


def words_of_tests():
    found = set()
    for path in [*HERE.glob("test_*.py"), *HERE.glob("model/*.py"), *HERE.glob("typing/right.py")]:
        if path != Path(__file__):
            found.update(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    return found


def test_every_name_is_used_by_a_test():
    names = {name for kind in [*TYPES, *PLAIN] for name in own(kind)}
    names.update(lsmkv.__all__, codecs.__all__, lsmkv.dbm.__all__, lsmkv.aio.__all__)
    names.update(field.name for field in dataclasses.fields(lsmkv.Options))
    assert len(names) > 150 and names - words_of_tests() == set()
