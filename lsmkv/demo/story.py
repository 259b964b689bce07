"""The demo as it is told: short sections, every figure measured on the way."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
import time
import unicodedata
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

import lsmkv
from lsmkv import LSM
from lsmkv.cli.exits import DAMAGED, DONE, CommandError, UsageError
from lsmkv.cli.inspect import disk_use, explained
from lsmkv.cli.output import Output
from lsmkv.cli.progress import Progress
from lsmkv.demo import sources
from lsmkv.demo.crash import kill_a_writer, survivors
from lsmkv.demo.ledger import Ledger, Pair
from lsmkv.report import levels as picture
from lsmkv.report import stats as facts
from lsmkv.report.explain import lines as explain_lines
from lsmkv.report.numbers import count, plural, rate, seconds, size, times
from lsmkv.report.text import columns, escape

CHUNK = 8192


class Scale(NamedTuple):
    """How much of it is told."""

    characters: int
    postings: int
    lookups: int
    kill: tuple[float, float]
    """After how many seconds the writer is killed: between these."""
    room: int
    """Bytes that must be free."""


FULL = Scale(characters=0x110000, postings=1_200_000, lookups=100_000, kill=(0.6, 1.4), room=1 << 30)
SMALL = Scale(characters=0x3000, postings=60_000, lookups=5_000, kill=(0.1, 0.3), room=128 << 20)
WORDS = (b"word/heappush ", b"word/sqrt ", b"word/lambda ")  # the first one that is there is shown
SIGNS = (b"name/EURO SIGN", b"name/SNOWMAN", b"name/CHECK MARK")
RENAME, REMOVE, PART = 0, 10, 20  # of every 20 characters and files, one is renamed and one deleted


Bytes: TypeAlias = "LSM[bytes, bytes]"
Note: TypeAlias = Callable[[int], None]


def tell(args: Namespace, out: Output) -> int:
    story = Story(out, SMALL if args.small else FULL)
    path = choose_place(args, story.scale.room)
    began = time.monotonic()
    story.opening(path)
    with lsmkv.open(path, "c") as db:
        story.load_characters(db)
        story.load_words(db)
        story.levels_now(db, "Where the records are now")
        story.change(db)
        story.reshape(db)
        story.look(db)
        story.check(db)
        story.sizes(db, path)
    story.crash(path)
    story.measured["seconds"] = round(time.monotonic() - began, 1)
    return story.ending(args, path)


def choose_place(args: Namespace, room: int) -> str:
    """An empty place for the store. Only a store is ever replaced, and one the user named only with --yes."""
    if args.path:
        path: str = os.path.abspath(args.path)
        if os.path.lexists(path) and os.listdir(path):
            if not args.yes:
                raise UsageError(
                    f"{path} is not empty; nothing was done", "another --path, or --yes to replace the store there"
                )
            lsmkv.destroy(path)
    else:
        path = os.path.join(tempfile.gettempdir(), f"lsmkv-demo-{os.getuid()}")
        if os.path.lexists(path):
            if os.path.islink(path) or os.stat(path).st_uid != os.getuid():
                path = tempfile.mkdtemp(prefix="lsmkv-demo-")
            elif os.listdir(path):
                lsmkv.destroy(path)  # refuses when it is open, or holds anything that is not a store's
    parent = os.path.dirname(path)
    os.makedirs(parent, exist_ok=True)
    free = shutil.disk_usage(parent).free
    if free < room:
        raise CommandError(
            f"{parent} has {size(free)} free; the demo wants {size(room)}", "lsmkv demo --small, or --path DIR"
        )
    return path


class Story:
    def __init__(self, out: Output, scale: Scale) -> None:
        self.out, self.scale = out, scale
        self.ledger = Ledger()  # what must be in the store
        self.given = 0  # bytes of keys and values handed to it, renamed ones again
        self.root, self.shown = "", (b"", b"")
        self.files: list[str] = []
        self.checks: dict[str, bool] = {}
        self.measured: dict[str, Any] = {}  # for --json
        self.number = 0

    # ---- how it is told

    def section(self, title: str) -> None:
        self.number += 1
        if not self.out.json:
            self.out.text()
            self.out.heading(f"{self.number}. {title}")

    def say(self, *lines: str) -> None:
        if not self.out.json:
            for text in lines:
                self.out.text(f"   {text}".rstrip())
            self.out.flush()

    def show(self, lines: Iterable[str]) -> None:
        self.say(*(text[2:] if text.startswith("  ") else text for text in lines))

    def figures(self, *rows: tuple[str, ...]) -> None:
        """Rows of (what, number, ...), numbers aligned."""
        self.show(columns(rows, "<" + ">" * (len(rows[0]) - 1)))

    def verdict(self, name: str, right: bool, text: str) -> None:
        self.checks[name] = right
        self.say(f"{'ok' if right else 'FAILED'}: {text}")

    # ---- the sections

    def opening(self, path: str) -> None:
        if not self.out.json:
            self.out.heading(
                "lsmkv demo: real data in, a tenth of it changed, a writer killed, and a look inside on the way"
            )
            self.out.text(f"The store is the directory {path}. Every figure below is measured now.")

    def load_characters(self, db: Bytes) -> None:
        self.section(
            f"Load the names of the Unicode {unicodedata.unidata_version} characters, which ship inside Python"
        )
        self.say("Each character is stored twice, by name and by code:")
        samples = sources.character_pairs(0x2603, unicodedata.name("\u2603"))
        self.show(columns([(escape(key), "->", escape(value)) for key, value in samples], "<<<"))

        def pairs(progress: Note) -> Iterator[Pair]:
            for code, name in sources.characters(self.scale.characters):
                yield from sources.character_pairs(code, name)
                progress(code)

        self.load(db, "characters", self.scale.characters, pairs)

    def load_words(self, db: Bytes) -> None:
        self.section("Load an index of the standard library: each word, with every file and line it stands on")
        self.root, files = sources.library()
        goal = self.scale.postings

        def pairs(progress: Note) -> Iterator[Pair]:
            found = 0
            for name in files:
                self.files.append(name)
                for pair in sources.postings(self.root, name):
                    yield pair
                    found += 1
                    progress(found)
                if found >= goal:
                    return

        self.load(db, "words", goal, pairs)
        self.say(f"from {plural(len(self.files), 'file')} in {self.root}; one of the pairs:")
        for key, value in db.prefix(first_there(db, WORDS)).items().limit(1):
            self.say(f"  {escape(key)} -> {escape(value)}")

    def load(self, db: Bytes, what: str, goal: int, pairs: Callable[[Note], Iterable[Pair]]) -> None:
        """Store what pairs(progress) yields, and tell how fast. The store's own time is kept apart from Python's."""
        began, stored, before, inside = time.perf_counter(), self.ledger.pairs, self.ledger.bytes, 0.0
        chunk: list[Pair] = []
        at = 0
        with Progress(f"load {what}", goal, "pairs") as progress:

            def note(done: int) -> None:
                nonlocal at
                at = done

            def store() -> None:
                nonlocal inside
                start = time.perf_counter()
                db.update(chunk)
                inside += time.perf_counter() - start
                self.ledger.add(chunk)
                chunk.clear()
                progress.update(at, self.ledger.pairs - stored)

            for pair in pairs(note):
                chunk.append(pair)
                if len(chunk) == CHUNK:
                    store()
            store()
        took, number, amount = time.perf_counter() - began, self.ledger.pairs - stored, self.ledger.bytes - before
        self.given += amount
        self.measured[what] = {"pairs": number, "bytes": amount, "seconds": took, "store_seconds": inside}
        self.figures(
            ("", "pairs", "bytes", "time", "pairs a second"),
            ("reading, splitting and storing", count(number), size(amount), seconds(took), rate(number, took)),
            ("the store's part of it", "", "", seconds(inside), rate(number, inside)),
        )

    def levels_now(self, db: Bytes, title: str | None = None) -> list[dict[str, Any]]:
        if title:
            self.section(title)
            self.say("Newest place first. New records go to the MemTable, whose memory is the log file itself;")
            self.say("full ones wait in L0 until they are written out as a sorted run of tables.")
        found = [picture.plain(level) for level in db.levels]
        self.show(picture.tree(found))
        return found

    def change(self, db: Bytes) -> None:
        self.section("Rename and delete a tenth")
        self.say("Of every 20 characters and of every 20 files, one is renamed (the old keys are deleted, new ones")
        self.say("are written) and one is deleted. Each thousand changes are one batch: applied whole or not at all.")
        began, goal, counts = time.perf_counter(), self.ledger.pairs // 10, {"renamed": 0, "deleted": 0}
        with Progress("change", goal, "pairs") as progress:
            for step, (old, new) in enumerate(self.changes()):
                for at in range(0, len(old), 1000):
                    with db.batch() as batch:
                        for key, _ in old[at : at + 1000]:
                            batch.delete(key)
                        for key, value in new[at : at + 1000]:
                            batch[key] = value
                self.ledger.remove(old)
                self.ledger.add(new)
                self.given += sum(len(key) for key, _ in old) + sum(len(key) + len(value) for key, value in new)
                counts["renamed" if new else "deleted"] += len(old)
                if step % 16 == 0:
                    progress.update(sum(counts.values()))
        took = time.perf_counter() - began
        self.measured["change"] = counts | {"seconds": took}
        rows = [(name, count(number), "") for name, number in counts.items()]
        total = sum(counts.values())
        self.figures(("", "pairs", "time"), *rows, ("together", count(total), seconds(took)))

    def changes(self) -> Iterator[tuple[list[Pair], list[Pair]]]:
        """(old pairs, new pairs) for each group of changes. New is empty for a deletion."""
        old: list[Pair] = []
        gone: list[Pair] = []
        new: list[Pair] = []
        for index, (code, name) in enumerate(sources.characters(self.scale.characters)):
            if index % PART in (RENAME, REMOVE):
                by_name, by_code = sources.character_pairs(code, name)
                if index % PART == REMOVE:
                    gone += [by_name, by_code]
                else:
                    renamed = name + " (RENAMED)"
                    old += [by_name, by_code]
                    new += [(b"name/" + renamed.encode(), by_name[1]), (by_code[0], renamed.encode())]
        yield gone, []
        yield old, new
        for index, name in enumerate(self.files):
            if index % PART == REMOVE:
                yield sources.postings(self.root, name), []
            elif index % PART == RENAME:
                yield sources.postings(self.root, name), sources.postings(self.root, name, os.path.join("moved", name))

    def reshape(self, db: Bytes) -> None:
        self.section("Flush and merge")
        sample = b"name/LATIN CAPITAL LETTER A"
        self.say("before:")
        before = self.levels_now(db)
        self.say()
        self.explain(db, sample)
        began = time.perf_counter()
        db.flush()
        flushed = time.perf_counter()
        with Progress("merge", None, "bytes") as progress:
            db.compact(None, None, progress=progress.callback)
        merged = time.perf_counter()
        self.say("", f"flush took {seconds(flushed - began)}, the merge {seconds(merged - flushed)}", "", "after:")
        after = self.levels_now(db)
        self.say()
        self.explain(db, sample)
        self.measured["levels_before"] = [picture.to_json(level) for level in before]
        self.measured["levels_after"] = [picture.to_json(level) for level in after]
        self.measured["flush_seconds"], self.measured["merge_seconds"] = flushed - began, merged - flushed

    def explain(self, db: Bytes, key: bytes) -> None:
        found, probes = explained(db, key)
        self.show(explain_lines(key, found, probes))
        self.checks.setdefault("explain", True)
        self.checks["explain"] &= found

    def look(self, db: Bytes) -> None:
        self.section("Look things up")
        key, prefix = self.shown = first_there(db, SIGNS), first_there(db, WORDS)
        value = db.get(key)
        self.say("a lookup:")
        self.say(f"  {key.decode()} -> {escape(value) if value is not None else 'not there'}")
        began = time.perf_counter()
        number = db.prefix(prefix).count()
        took = time.perf_counter() - began
        word = prefix.decode().partition("/")[2].strip()
        self.say(f"a range scan, all {plural(number, 'line')} on which {word} stands (counted in {seconds(took)}):")
        self.show([f"  {escape(key)} -> {escape(value)}" for key, value in db.prefix(prefix).items().limit(4)])
        reach = min(self.scale.characters, 0x20000)  # beyond it few characters have names
        keys = [b"char/%06X" % (at * 7919 % reach) for at in range(self.scale.lookups)]
        get = db.get
        began = time.perf_counter()
        found = sum(get(key) is not None for key in keys)
        took = time.perf_counter() - began
        self.measured["lookups"] = {"number": len(keys), "found": found, "seconds": took}
        self.say(f"{count(len(keys))} lookups of scattered keys ({count(found)} of them there), one call each:")
        self.say(f"  {seconds(took)}, {rate(len(keys), took)}, {seconds(took / len(keys))} each")
        self.checks["lookup"] = value is not None and found > 0

    def check(self, db: Bytes) -> None:
        self.section("Check every pair")
        began = time.perf_counter()
        try:
            with Progress("scan", self.ledger.pairs, "pairs") as progress:
                found = Ledger.of(db.items(), progress)
            wrong = ""
        except ValueError as error:
            found, wrong = Ledger(), f" ({error})"
        took = time.perf_counter() - began
        self.measured["scan"] = {"pairs": found.pairs, "seconds": took}
        self.say(
            f"one scan of the whole store: {plural(found.pairs, 'pair')} in {seconds(took)}, {rate(found.pairs, took)}"
        )
        text = f"number and checksum are those of the {count(self.ledger.pairs)} pairs that must be there"
        self.verdict("content", found == self.ledger, text + wrong)
        began = time.perf_counter()
        with Progress("verify", None, "bytes") as progress:
            db.verify(progress=progress.callback)
        self.verdict(
            "checksums", True, f"every byte of every file matches its checksum ({seconds(time.perf_counter() - began)})"
        )

    def sizes(self, db: Bytes, path: str) -> None:
        self.section("Size on disk against input")
        db.sync()
        stats = db.stats()
        use = {kind: row[2] for kind, row in disk_use(path).items()}
        disk, tables, logs = sum(use.values()), use.get("tables", 0), use.get("log segments", 0)
        live = self.ledger.bytes
        self.figures(
            ("", "size", "times the live data"),
            ("keys and values handed to the store", size(self.given), times(self.given, live)),
            ("keys and values that are live now", size(live), times(live, live)),
            ("allocated on disk, everything counted", size(disk), times(disk, live)),
            ("  in sorted tables", size(tables), times(tables, live)),
            ("  in log segments, reserved for the next writes", size(logs), times(logs, live)),
        )
        wrote = facts.written(stats)
        if wrote:
            self.say("", "written to files so far, by cause:")
            rows = [(cause, size(amount), times(amount, stats["user_bytes"])) for cause, amount in wrote.items()]
            total = sum(wrote.values())
            self.figures(
                ("", "size", "times what was handed over"),
                *rows,
                ("together", size(total), times(total, stats["user_bytes"])),
            )
        self.measured["sizes"] = {
            "given": self.given,
            "live": live,
            "disk": disk,
            "tables": tables,
            "logs": logs,
            "written": wrote,
        }

    def crash(self, path: str) -> None:
        self.section("Kill a process that is writing")
        self.say("Another process opens the store and writes numbered keys as fast as it can. After each one it")
        self.say("says so through a pipe. It is killed with SIGKILL at a random moment, without a chance to clean up.")
        acknowledged, wrote = kill_a_writer(path, *self.scale.kill)
        began = time.perf_counter()
        with lsmkv.open(path, "w") as db:
            took = time.perf_counter() - began
            kept, extra = survivors(db, acknowledged)
            total = db.range().count()
        self.figures(
            ("killed after", seconds(wrote)),
            ("writes it had acknowledged", count(acknowledged)),
            ("of these in the store", count(kept)),
            ("missing", count(acknowledged - kept)),
            ("written, but not yet acknowledged", count(extra)),
            ("opening the store again took", seconds(took)),
        )
        self.measured["kill"] = {"acknowledged": acknowledged, "kept": kept, "extra": extra, "reopen_seconds": took}
        self.verdict(
            "kill", acknowledged > 0 and kept == acknowledged and extra <= 1, "nothing acknowledged is missing"
        )
        everything = self.ledger.pairs + kept + extra
        self.verdict(
            "rest", total == everything, f"the {count(self.ledger.pairs)} pairs from before are all still there"
        )

    def ending(self, args: Namespace, path: str) -> int:
        failed = [name for name, right in self.checks.items() if not right]
        if not args.keep and not failed:
            lsmkv.destroy(path)
        if self.out.json:
            self.out.object({"path": path, "kept": args.keep or bool(failed), "checks": self.checks, **self.measured})
            return DAMAGED if failed else DONE
        self.out.text()
        if failed:
            self.out.heading(
                f"FAILED after {self.measured['seconds']} s: {', '.join(failed)}. The store stays in {path}."
            )
            return DAMAGED
        self.out.heading(f"Done in {self.measured['seconds']} s; every check passed.")
        if args.keep:
            command, place = command_name(), shlex.quote(path)
            self.out.text(f"The store stays in {path} until the next demo. Three commands to try:\n")
            self.out.text(f"  {command} get {place} '{self.shown[0].decode()}'")
            self.out.text(f"  {command} scan {place} --prefix '{self.shown[1].decode()}' --limit 5")
            self.out.text(f"  {command} levels {place}")
            self.out.text(f"\nTo remove it: {command} destroy {place}")
        return DONE


def first_there(db: Bytes, prefixes: tuple[bytes, ...]) -> bytes:
    """The first of the prefixes that any key begins with."""
    return next(
        (prefix for prefix in prefixes if next(iter(db.prefix(prefix).limit(1)), None) is not None), prefixes[0]
    )


def command_name() -> str:
    """How the user can call lsmkv from where they are."""
    if shutil.which("lsmkv"):
        return "lsmkv"
    if os.path.basename(sys.argv[0]) == "lsmkv" and os.path.exists(sys.argv[0]):
        return shlex.quote(os.path.relpath(sys.argv[0]))
    return f"{shlex.quote(sys.executable)} -m lsmkv"
