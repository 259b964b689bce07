"""Runs the test families of one tier and holds each against its floor: python tools/families.py change|lab [family ...]

tests/families.txt says which there are and what a row means. The figures go to build/families/<tier>.txt too, with
date and commit, ready for docs/reliability.md.
"""

import datetime
import re
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "tests/families.txt"
VARIANTS = {
    "release": [],
    "checked": ["CHECKED=1"],
    "address-undefined": ["SAN=address,undefined"],
    "thread": ["SAN=thread"],
}
RESULT = re.compile(r"^(\w+): (\d+) cases, (\d+) violations", re.M)

Row = namedtuple("Row", "tier family floor seconds build command")


def read_table(text):
    rows = [Row(*line.split(None, 5)) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [row._replace(floor=int(row.floor), seconds=int(row.seconds), command=row.command.split()) for row in rows]


def judge(row, status, output):
    """The cases that ran, and what is wrong: "" when nothing is."""
    results = [found for found in RESULT.findall(output) if found[0] == row.family]
    cases, violations = (int(figure) for figure in results[-1][1:]) if results else (0, 0)
    if status != 0:
        return cases, f"ended with status {status}"
    if not results:
        return cases, f"printed no result line for {row.family}"
    if violations:
        return cases, f"{violations} violations"
    if cases < row.floor:
        return cases, f"below the floor of {row.floor}"
    return cases, ""


def run(row):
    """Status and output of the row's program; what it prints is shown as it comes."""
    if row.build == "python":
        command = [sys.executable, *row.command]
    else:
        subprocess.run(["make", "-s", "-C", ROOT / "csrc", "all", *VARIANTS[row.build]], check=True)
        command = [ROOT / "build/c" / row.build / row.command[0], *row.command[1:]]
    print(f"\n== {row.family}, {row.build}: {' '.join(row.command)}", flush=True)
    limited = ["timeout", str(row.seconds), *command]
    with subprocess.Popen(limited, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as program:
        lines = []
        for line in program.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return program.returncode, "".join(lines)


def commit():
    try:
        git = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        return "unknown"
    return git.stdout.strip() or "unknown"


def main(tier, *families):
    rows = [
        row for row in read_table(TABLE.read_text()) if row.tier == tier and (not families or row.family in families)
    ]
    report = [f"{tier} tier, {datetime.date.today()}, commit {commit()}"]
    failed = 0
    for row in rows:
        began = time.monotonic()
        cases, wrong = judge(row, *run(row))
        failed += bool(wrong)
        took = time.monotonic() - began
        report.append(
            f"{row.family:<5} {cases:>12} cases of {row.floor:>12} {took:>7.0f} s  {row.build:<18} {wrong or 'ok'}"
        )
    report.append(f"{len(rows)} programs ran, {failed} failed")
    print("\n" + "\n".join(report))
    kept = ROOT / "build/families" / f"{tier}.txt"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text("\n".join(report) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in ("change", "lab"):
        raise SystemExit(__doc__)
    raise SystemExit(main(*sys.argv[1:]))
