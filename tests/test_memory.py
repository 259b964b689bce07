"""memory_bytes holds, as the system counts: a process of its own loads, scans and overwrites, and looks at RssAnon."""

import subprocess
import sys
from pathlib import Path

import pytest

import lsmkv

MIB = 1 << 20
BESIDE = 4 * MIB  # stacks and heaps of two threads, a chunk of pairs, states of granules: not the budget's

LOAD = """
import random, sys
from pathlib import Path
import lsmkv

def anonymous():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024

path, budget, records, value, options = sys.argv[1], *map(int, sys.argv[2:5]), eval(sys.argv[5])
rng = random.Random(7)
chunk = [(rng.randbytes(16), bytes(value)) for _ in range(1000)]
before = most = anonymous()
with lsmkv.open(path, memory_bytes=budget, **options) as db:
    for i in range(records // 1000):
        db.update((rng.randbytes(16), pair[1]) for pair in chunk)
        most = max(most, anonymous())
    for i, _ in enumerate(db.items()):
        if i % 5000 == 0:
            most = max(most, anonymous())
    db.update(chunk)
    db.flush()
    most = max(most, anonymous())
    db.compact()  # the compactor allocates no more between two looks
    then, told, now = anonymous(), db.stats()["resident_anonymous_bytes"], anonymous()
    assert min(then, now) - (1 << 20) < told < max(then, now) + (1 << 20), (then, told, now)
    assert db.stats()["tables"] > 0 and db.stats()["resident_file_bytes"] > 0
print(most - before)
"""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists() or "RssAnon" not in Path("/proc/self/status").read_text(),
    reason="this system does not tell how much anonymous memory a process holds",
)


@pytest.mark.parametrize(
    "records, value, options",
    [
        (200_000, 100, {}),
        (400_000, 0, {}),
        (200_000, 100, {"table_source": "read"}),
        (200_000, 100, {"durability": "none"}),
    ],
    ids=["mapped", "tiny records", "read source", "log in memory"],
)
def test_a_load_keeps_to_its_budget(path, records, value, options):
    budget = 8 * MIB
    words = [sys.executable, "-c", LOAD, str(path), str(budget), str(records), str(value), repr(options)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= budget + BESIDE, f"{int(done.stdout) / MIB:.1f} MiB"


def test_too_little_says_how_much_it_takes(path):
    with pytest.raises(lsmkv.OptionsError, match="memory_bytes=1000000: it is from 4194304"):
        lsmkv.open(path, memory_bytes=1_000_000)
    with lsmkv.open(path, memory_bytes=4 * MIB) as db:
        db.update((b"%d" % i, b"v" * 100) for i in range(50_000))
        assert len(db) == 50_000
