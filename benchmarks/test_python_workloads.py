"""Every store through every named workload, from Python, in rounds that take turns."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import stores


def test_workloads(round, store, results, asked, folder):
    if reason := stores.why_not(store):
        pytest.skip(reason)
    program = Path(__file__).with_name("workloads.py")
    command = [sys.executable, program, store, folder, "--records", asked.records, "--seed", asked.seed + round]
    done = subprocess.run(
        [*map(str, command), "--value-bytes", str(asked.value_bytes)], stdout=subprocess.PIPE, text=True
    )
    assert done.returncode == 0, f"{store} gave a wrong answer or failed: its words are above"
    told = json.loads(done.stdout)
    for workload, (took, worked) in told["figures"].items():
        results.add("from Python, by the clock", workload, store, took)
        if worked is not None:
            results.add("from Python, processor time of all threads", workload, store, worked)
    results.tell(store, told["told"])
