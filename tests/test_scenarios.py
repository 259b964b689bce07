"""The table of tests/SCENARIOS.md against the tests there are."""

import re

import pytest

ROW = re.compile(r"^\| (\d+) \| (.+) \| (.+) \|$", re.M)
NUMBERED = {".c": re.compile(r"\bTEST\(scenario_(\d+)_"), ".py": re.compile(r"\bdef test_scenario_(\d+)_")}


@pytest.fixture(scope="module")
def rows(source_tree):
    return {int(number): where for number, _, where in ROW.findall((source_tree / "tests/SCENARIOS.md").read_text())}


@pytest.fixture(scope="module")
def carried(source_tree):
    """number -> names of the test files that have a test with it."""
    there = {}
    for path in [*source_tree.glob("tests/c/test_*.c"), *source_tree.glob("tests/test_*.py")]:
        for number in NUMBERED[path.suffix].findall(path.read_text()):
            there.setdefault(int(number), set()).add(path.name)
    return there


def test_every_scenario_has_a_row(rows):
    assert list(rows) == list(range(1, 36))


def test_every_file_named_carries_its_scenario(rows, carried):
    for number, where in rows.items():
        named = set(re.findall(r"`(\S+)`", where))
        if where.startswith("not yet: "):
            assert not named
        else:
            assert named, f"scenario {number} names no test file"
            assert named <= carried.get(number, set()), f"scenario {number}"


def test_every_numbered_test_has_its_row(rows, carried):
    for number, files in carried.items():
        assert files <= set(re.findall(r"`(\S+)`", rows[number])), f"scenario {number}"
