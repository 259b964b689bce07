"""T2, the binding: every call of the Python API in csrc/py is made to fail, wherever scenarios.py leads to it.

    python tests/faults/family.py [--sanitized] [--nth N] [scenario ...]

A scenario is played once to count how often it executes each site. Then it is played again for each site with the
first N executions and (if N > 1) the last one failing: once; that site for ever; every site after it. Each time the
fault fires; its exception comes out, or what swallowing.py says instead; no other error; the store works and its
content is as it was before or after the step that failed; nothing is left: objects, references, memory, descriptors,
threads, files.

build/families/T2-sites.txt lists the sites. The floor is 99.5 % of them; those that never failed are named.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FLOOR = 99.5  # per cent of the sites
QUIET_SECONDS = 240  # a worker that says nothing for so long hangs
WORKERS = 2
PLACE = "/dev/shm" if os.path.isdir("/dev/shm") else None

# ---- the parent --------------------------------------------------------------------------------


def build(sanitized):
    """The folder of the build for faults."""
    lib = ROOT / "build" / ("python-faults-sanitized" if sanitized else "python-faults")
    environment = {**os.environ, "LSMKV_FAULTS": "1"}
    if sanitized:
        environment["LSMKV_SANITIZE"] = "address,undefined"
    command = [sys.executable, "setup.py", "--quiet", "build", "--build-lib", str(lib)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return lib


def worker_environment(lib, sanitized):
    environment = {**os.environ, "LSMKV_FAULTS_LIB": str(lib), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    environment["GLIBC_TUNABLES"] = "glibc.malloc.tcache_count=0"  # what it holds would count as in use
    if sanitized:
        compiler = os.environ.get("CC", "cc").split()
        names = [
            subprocess.run([*compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout
            for name in ("libasan.so", "libubsan.so")
        ]
        environment["LD_PRELOAD"] = ":".join(name.strip() for name in names)
        environment["ASAN_OPTIONS"] = "detect_leaks=0:detect_stack_use_after_return=1:allocator_may_return_null=1"
        environment["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1"
        environment["PYTHONMALLOC"] = "malloc"
    return environment


class Result:
    """What the workers of one scenario found."""

    def __init__(self, name):
        self.name, self.cases, self.violations, self.sites = name, 0, [], {}

    def take(self, words):
        self.cases += words["cases"]
        self.violations += words["violations"]
        for key, (seen, failed) in words["sites"].items():
            had = self.sites.get(key, (0, 0))
            self.sites[key] = (had[0] + seen, had[1] + failed)


def play(name, arguments, environment):
    """One scenario in a process of its own; in another one from where the first died."""
    result, first = Result(name), 0
    while True:
        with tempfile.TemporaryDirectory(prefix="lsmkv-faults-", dir=PLACE) as folder:
            log = Path(folder, "log")
            command = [sys.executable, str(HERE / "family.py"), "--worker", str(log), "--first", str(first)]
            status, said = attend([*command, "--nth", str(arguments.nth), name], log, environment)
            lines = log.read_text().splitlines() if log.exists() else []
        for line in lines:
            if line.startswith("{"):
                result.take(json.loads(line))
        if status == 0:
            return result
        cases = [line.split(" ", 1) for line in lines if line[:1].isdigit()]
        if not cases:
            result.violations.append(f"{name}: ended with status {status} before its first case\n{said[-3000:]}")
            return result
        how = "hangs" if status is None else f"ends the process with status {status}"
        result.violations.append(f"{name}: {cases[-1][1]}: {how}\n{said[-3000:]}")
        first = int(cases[-1][0]) + 1


def attend(command, log, environment):
    """Status and output of a worker; None for one that hung."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
        while True:
            try:
                status = process.wait(timeout=5)
                break
            except subprocess.TimeoutExpired:
                if log.exists() and time.time() - log.stat().st_mtime > QUIET_SECONDS:
                    process.send_signal(signal.SIGABRT)  # faulthandler shows where
                    process.wait()
                    status = None
                    break
        output.seek(0)
        return status, output.read().decode(errors="replace")


def names_of_scenarios(environment):
    command = [sys.executable, str(HERE / "family.py"), "--list"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"the scenarios cannot be listed:\n{done.stdout}{done.stderr}")
    return done.stdout.split()


def report(results, kept):
    """Writes the table of sites; the share of them that failed at least once, and those that did not."""
    sites = collections.defaultdict(lambda: [0, 0])
    for result in results:
        for key, counts in result.sites.items():
            sites[key] = [sum(pair) for pair in zip(sites[key], counts, strict=True)]
    kept.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{failed:>8} failed of {seen:>8} executed  {key}" for key, (seen, failed) in sorted(sites.items())]
    kept.write_text("\n".join(lines) + "\n")
    missing = [key for key, (_, failed) in sorted(sites.items()) if not failed]
    return len(sites), missing


def main(arguments):
    lib = build(arguments.sanitized)
    environment = worker_environment(lib, arguments.sanitized)
    everything = names_of_scenarios(environment)
    names = arguments.scenarios or everything
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        results = list(pool.map(lambda name: play(name, arguments, environment), names))
    canaries = [result for result in results if result.name.startswith("canary_")]
    results = [result for result in results if result not in canaries]
    violations = [words for result in results for words in result.violations]
    violations += [
        f"{canary.name}: went unnoticed, so nothing here can be believed"
        for canary in canaries
        if not canary.violations
    ]
    for words in violations:
        print(f"VIOLATION {words}")
    count, missing = report(results, ROOT / "build/families/T2-sites.txt")
    share = 100 * (count - len(missing)) / count if count else 0
    print(f"{count - len(missing)} of {count} sites failed ({share:.2f} %), {len(canaries)} canaries")
    for key in missing:
        print(f"never failed: {key}")
    cases = sum(result.cases for result in results)
    if not arguments.scenarios and share < FLOOR:
        print(f"VIOLATION less than {FLOOR} % of the sites")
        violations.append("share")
    print(f"T2: {cases} cases, {len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sanitized", action="store_true", help="build and run under ASan and UBSan")
    parser.add_argument("--nth", type=int, default=3, help="executions of a site that fail, from the first")
    parser.add_argument("--list", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("scenarios", nargs="*")
    given = parser.parse_args()
    if given.list or given.worker:
        import worker

        raise SystemExit(worker.names() if given.list else worker.main(given))
    raise SystemExit(main(given))
