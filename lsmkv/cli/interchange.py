"""import and export."""

from __future__ import annotations

import contextlib
import os
import sys
import time

import lsmkv
from lsmkv.cli import readers, salvage, writers
from lsmkv.cli.data import bounds, limited, span
from lsmkv.cli.exits import DONE, DataError, Interrupted, UsageError
from lsmkv.cli.progress import Progress
from lsmkv.cli.salvage import Lost
from lsmkv.cli.stores import opened, opened_to_put
from lsmkv.report.numbers import plural, rate, seconds, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator
    from typing import Any, BinaryIO

    from lsmkv import LSM
    from lsmkv.cli.output import Output
    from lsmkv.cli.readers import BadLine, Recipe


CHUNK = 4096  # pairs handed to the store at once
CHUNK_BYTES = 4 << 20


def load(args: Namespace, out: Output) -> int:
    store, (recipe, sources) = opened_to_put(args, lambda: prepared(args))
    total = Tally()
    began = time.monotonic()
    with store as db:
        for name, form in sources:
            load_file(db, name, form, recipe, args, out, total)
        db.sync()
    elapsed = time.monotonic() - began
    if args.json:
        out.object(total.document() | {"files": len(sources), "seconds": round(elapsed, 3)})
    else:
        skipped = f", {plural(total.bad, 'malformed line')} skipped" if total.bad else ""
        stored = f"stored {plural(total.stored, 'pair')} ({size(total.bytes)}) from {plural(len(sources), 'file')}"
        out.text(f"{stored}{skipped}; {seconds(elapsed)}, {rate(total.stored, elapsed)}")
    return DONE


def prepared(args: Namespace) -> tuple[readers.Recipe, list[tuple[str, str]]]:
    """How rows become pairs, and [(file, format)]: read from the command line, and every file is there."""
    recipe = readers.Recipe(
        args.key,
        args.value,
        args.key_format,
        args.value_format,
        os.fsencode(args.key_prefix),
        not args.no_header,
        known_encoding(args.encoding),
    )
    for name in args.files:
        if name != "-":
            open(name, "rb").close()  # a missing file is noticed before anything is stored
    sources = [(name, args.format or guessed(name)) for name in args.files]
    for _, form in sources:
        check(form, args)
    return recipe, sources


def known_encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError:
        raise UsageError(f"there is no encoding '{name}'") from None
    return name


def guessed(name: str) -> str:
    form = readers.guess(name)
    if form is None:
        what = "standard input" if name == "-" else f"the name of {name}"
        raise UsageError(f"{what} does not tell a format", "--format txt (or jsonl, csv, tsv)")
    return form


def check(form: str, args: Namespace) -> None:
    if form == "txt" and (args.value is not None or args.key not in (None, "lineno")):
        raise UsageError("a txt file has no fields: --key is lineno or left out, and there is no --value")


class Tally:
    def __init__(self) -> None:
        self.stored = self.bytes = self.bad = 0

    def document(self) -> dict[str, int]:
        return {"stored": self.stored, "bytes": self.bytes, "skipped": self.bad}


def load_file(db: LSM, name: str, form: str, recipe: Recipe, args: Namespace, out: Output, total: Tally) -> None:
    with open_source(name) as source:
        length = None if name == "-" else os.fstat(source.fileno()).st_size or None
        with Progress(f"import {os.path.basename(name)}", length, "lines") as progress:
            chunk: list[tuple[bytes, bytes]] = []
            room, lines = CHUNK_BYTES, 0

            def store() -> None:
                nonlocal chunk, room
                db.update(chunk)
                total.stored += len(chunk)
                total.bytes += CHUNK_BYTES - room
                chunk, room = [], CHUNK_BYTES
                progress.update(source.tell() if length else lines, lines)

            try:
                for row in readers.rows(form, source, recipe):
                    lines += 1
                    if isinstance(row, readers.BadLine):
                        store()
                        bad_line(name, row, args, out, total)
                        continue
                    chunk.append(row)
                    room -= len(row[0]) + len(row[1])
                    if len(chunk) == CHUNK or room <= 0:
                        store()
                store()
            except lsmkv.LsmkvError:
                if not args.json:
                    out.note(f"lsmkv import: {plural(total.stored, 'pair')} had been stored; then:")
                raise
            except KeyboardInterrupt:
                raise Interrupted(f"after {plural(total.stored, 'pair')} had been stored") from None


@contextlib.contextmanager
def open_source(name: str) -> Iterator[Any]:
    if name == "-":
        yield sys.stdin.buffer
    else:
        with open(name, "rb", buffering=1 << 18) as source:
            yield source


def bad_line(name: str, bad: BadLine, args: Namespace, out: Output, total: Tally) -> None:
    where = f"{'standard input' if name == '-' else name}:{bad.line}"
    if not args.skip_bad:
        raise DataError(
            f"{where}: {bad.reason}; stored before it: {plural(total.stored, 'pair')}",
            "--skip-bad goes on and counts such lines",
            line=bad.line,
            stored=total.stored,
        )
    total.bad += 1
    if total.bad <= 10:
        out.note(f"lsmkv import: {where}: {bad.reason}; skipped")
    elif total.bad == 11:
        out.note("lsmkv import: more malformed lines follow; they are counted, not shown")


def export(args: Namespace, out: Output) -> int:
    form = args.format or readers.guess(args.file) or "jsonl"
    if form == "txt":
        raise UsageError("export writes jsonl, csv or tsv", "--format jsonl")
    if args.json and args.file == "-":
        if args.format not in (None, "jsonl"):
            raise UsageError("--json to standard output is jsonl already: leave --format out, or name a FILE")
    elif args.file != "-" and os.path.exists(args.file) and not args.yes:
        raise UsageError(f"{args.file} exists; nothing was written", "--yes replaces it")
    lost = Lost("export", out)
    with opened(args) as db:
        head, line = writers.BY_NAME[form](args.key_format, args.value_format)
        pairs = chosen(db, args, lost)
        if args.file == "-":
            write(out.stream, pairs, head, line, Progress("export", None, "keys", quiet=out.terminal))
            return lost.end(args.db)
        with replacing(args.file) as target:
            number = write(target, pairs, head, line, Progress("export", None, "keys"))
    written = os.path.getsize(args.file)
    if args.json:
        left_out = lost.document() if args.skip_damaged else {}
        out.object({"file": args.file, "format": form, "exported": number, "bytes": written, **left_out})
    else:
        out.text(f"wrote {plural(number, 'pair')} ({size(written)}) to {args.file}")
    return lost.end(args.db)


def chosen(db: LSM, args: Namespace, lost: Lost) -> Iterator[tuple[bytes, bytes]]:
    """The pairs of the range, as many as were asked for."""
    if not args.skip_damaged:
        return iter(limited(span(db, args), args.limit).items())
    from itertools import islice

    lost.space, lost.key_format = args.namespace, args.key_format
    return islice(salvage.pairs(db, lost, *bounds(args)), args.limit)


def write(
    stream: BinaryIO,
    pairs: Iterator[tuple[bytes, bytes]],
    head: bytes,
    line: Callable[[bytes, bytes], bytes],
    progress: Progress,
) -> int:
    number = 0
    with progress:
        stream.write(head)
        for key, value in pairs:
            stream.write(line(key, value))
            number += 1
            if number % CHUNK == 0:
                progress.update(number)
    return number


@contextlib.contextmanager
def replacing(name: str) -> Iterator[Any]:
    """A file that takes its name only when it is complete."""
    part = f"{name}.part-{os.getpid()}"
    try:
        with open(part, "xb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        os.replace(part, name)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
