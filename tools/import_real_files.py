#!/usr/bin/env python3
"""Import three real files of 100 000 lines and more with the command line, and compare the store with the file.

    words      a word list, the word is the key          Debian: wamerican-huge
    hardware   identifiers of network cards, by line     Debian: ieee-data (oui.txt)
    packages   package records and their relations       this machine's own package index, as jsonl

    tools/import_real_files.py [--folder DIR] [--offline] [--json]

A file that is not installed is fetched with `apt-get download`, which needs no root, and unpacked into the folder.
What cannot be had is skipped, by name and with the reason. The exit code is 1 when something was imported wrongly.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lsmkv

LEAST = 100_000  # lines
RELATIONS = ("Depends", "Pre-Depends", "Recommends", "Suggests", "Conflicts", "Breaks", "Replaces", "Provides")


class Skip(Exception):
    """This file is not to be had here."""


def long_enough(path):
    with path.open("rb") as file:
        return sum(1 for _ in file) >= LEAST


def installed_or_fetched(package, places, inside, folder, offline):
    """The first of the places that is long enough, else the file `inside` the Debian package."""
    for place in map(Path, places):
        if place.is_file() and long_enough(place):
            return place
    unpacked = folder / package
    found = unpacked / inside
    if not found.is_file():
        if offline:
            raise Skip(f"{places[0]} is not there; Debian package {package} has it")
        fetch(package, unpacked)
    if not found.is_file() or not long_enough(found):
        raise Skip(f"{package} has no {inside} of {LEAST:,} lines")
    return found


def fetch(package, into):
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise Skip(f"there is no {tool} to fetch {package} with")
    into.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["apt-get", "download", package], cwd=into, capture_output=True, text=True, timeout=120)
    archives = sorted(into.glob(f"{package}_*.deb"))
    if done.returncode or not archives:
        said = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise Skip(f"{package} could not be fetched: {said}")
    subprocess.run(["dpkg-deb", "-x", archives[-1], into], check=True, timeout=120)


def words(folder, offline):
    names = ("american-english-huge", "american-english-insane", "words", "american-english")
    places = [f"/usr/share/dict/{name}" for name in names]
    path = installed_or_fetched("wamerican-huge", places, "usr/share/dict/american-english-huge", folder, offline)
    lines = path.read_bytes().splitlines()
    expected = {line: b"%d" % number for number, line in enumerate(lines, 1)}
    return path, ["--format", "txt"], len(lines), expected


def hardware(folder, offline):
    places = ["/usr/share/ieee-data/oui.txt", "/var/lib/ieee-data/oui.txt", "/usr/share/hwdata/oui.txt"]
    path = installed_or_fetched("ieee-data", places, "usr/share/ieee-data/oui.txt", folder, offline)
    lines = [line.rstrip(b"\r\n") for line in path.read_bytes().split(b"\n")]
    lines = lines[:-1] if not lines[-1] else lines
    expected = {number.to_bytes(8, "big"): line for number, line in enumerate(lines, 1)}
    return path, ["--format", "txt", "--key", "lineno", "--key-format", "u64"], len(lines), expected


def packages(folder, offline):
    if not shutil.which("apt-cache"):
        raise Skip("there is no apt-cache: this machine has no Debian package index")
    index = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, timeout=300).stdout
    path, rows, expected = folder / "packages.jsonl", 0, {}
    with path.open("w", encoding="utf-8") as file:
        for record in records(index.decode("utf-8", "replace")):
            for key, value in rows_of(record):
                file.write(json.dumps({"key": key, "value": value}, ensure_ascii=False) + "\n")
                rows += 1
                text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
                expected[key.encode()] = text.encode()
    if rows < LEAST:
        raise Skip(
            f"the package index of this machine makes {rows:,} rows, fewer than {LEAST:,} (apt-get update fills it)"
        )
    return path, [], rows, expected


def records(index):
    """The stanzas of a package index as dicts."""
    for stanza in index.split("\n\n"):
        record, name = {}, None
        for line in stanza.splitlines():
            if line[:1] in " \t":
                if name:
                    record[name] += "\n" + line.strip()
            elif ":" in line:
                name, _, value = line.partition(":")
                record[name] = value.strip()
        if "Package" in record:
            yield record


def rows_of(record):
    """One row for the package itself, and one for each of its relations, under the name of the other package."""
    name = f"{record['Package']} {record.get('Version', '')} {record.get('Architecture', '')}"
    yield f"package/{name}", record
    for relation in RELATIONS:
        for other in filter(None, (part.strip() for part in record.get(relation, "").split(","))):
            yield f"{relation.lower()}/{other.split()[0]}/{name}", other


def bring_in(what, folder, offline):
    path, options, lines, expected = what(folder, offline)
    store = folder / f"store-{what.__name__}"
    if store.exists():
        lsmkv.destroy(store)
    began = time.monotonic()
    command = [sys.executable, "-m", "lsmkv", "import", store, path, *options, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=600)
    if done.returncode:
        raise AssertionError(f"lsmkv import ended with {done.returncode}")
    took = time.monotonic() - began
    told = json.loads(done.stdout)
    with lsmkv.open(store, "r") as db:
        kept = dict(db.items())
    lsmkv.destroy(store)
    right = told["stored"] == lines and told["skipped"] == 0 and kept == expected
    return {"file": str(path), "lines": lines, "keys": len(kept), "seconds": round(took, 2), "right": right}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="for what is fetched and for the stores (default: a temporary one)")
    parser.add_argument("--offline", action="store_true", help="fetch nothing")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lsmkv-real-") as temporary:
        folder = (args.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        results = {}
        for what in (words, hardware, packages):
            try:
                results[what.__name__] = bring_in(what, folder, args.offline)
            except (Skip, subprocess.TimeoutExpired) as reason:
                results[what.__name__] = {"skipped": str(reason)}
    for name, result in results.items():
        if args.json:
            continue
        if "skipped" in result:
            print(f"skip  {name:9} {result['skipped']}")
        else:
            verdict = "ok   " if result["right"] else "WRONG"
            speed = result["lines"] / result["seconds"]
            figures = (
                f"{result['lines']:>9,} lines {result['keys']:>9,} keys {result['seconds']:>7.2f} s {speed:>9,.0f}/s"
            )
            print(f"{verdict} {name:9} {figures}  {result['file']}")
    if args.json:
        print(json.dumps(results))
    return 0 if all(result.get("right", True) for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
