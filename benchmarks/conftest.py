"""Options of `pytest benchmarks`, and the tables it ends with. Nothing here asserts a time."""

import datetime
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import report
import stores

ROOT = Path(__file__).resolve().parents[1]
RESULTS = report.Results()


def pytest_addoption(parser):
    group = parser.getgroup("benchmarks")
    group.addoption("--records", type=int, default=1_000_000, help="records in each store (default 1000000)")
    group.addoption("--value-bytes", type=int, default=100, help="bytes of a value, from Python (default 100)")
    group.addoption("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    group.addoption("--stores", default=",".join(stores.STORES), help="which stores, by comma (default all)")
    group.addoption("--folder", type=Path, help="where the stores are made (default: pytest's temporary folder)")
    group.addoption("--seed", type=int, default=1)


def pytest_generate_tests(metafunc):
    """The round changes slowest: so the stores take turns."""
    asked = metafunc.config.option
    for name, values in (("round", range(asked.rounds)), ("store", asked.stores.split(","))):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, values, scope="session" if name == "round" else None)


def pytest_collection_modifyitems(config, items):
    if config.pluginmanager.hasplugin("timeout"):  # the limit is for tests
        for item in items:
            item.add_marker(pytest.mark.timeout(0))


@pytest.fixture(scope="session")
def results():
    return RESULTS


@pytest.fixture
def asked(request):
    return request.config.option


@pytest.fixture
def folder(asked, tmp_path_factory):
    """An empty folder that is removed afterwards: a round leaves gigabytes."""
    if asked.folder:
        asked.folder.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix="round-", dir=asked.folder))
    else:
        made = tmp_path_factory.mktemp("round")
    yield made
    shutil.rmtree(made)


def machine():
    found = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    model = next((x.split(":")[1].strip() for x in Path("/proc/cpuinfo").open() if x.startswith("model name")), "")
    return (
        f"{datetime.date.today()}, commit {found.stdout.strip() or 'unknown'}, Python {platform.python_version()}, "
        f"{os.cpu_count()} x {model or platform.machine()}, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}"
    )


def pytest_terminal_summary(terminalreporter, config):
    if not RESULTS.figures:
        return
    asked = config.option
    head = (
        f"{machine()}\n{asked.records:,} records, 16-byte keys, {asked.value_bytes}-byte values, seed {asked.seed}, "
        f"{asked.rounds} rounds: medians ± half the spread, nanoseconds unless a unit is named"
    )
    said = f"{head}\n{report.text(RESULTS)}\n"
    terminalreporter.section("benchmarks")
    terminalreporter.write_line(said)
    kept = ROOT / "build/benchmarks"
    RESULTS.save(kept / "figures.json")
    (kept / "tables.md").write_text(said)
