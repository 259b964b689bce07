"""dump and load: a whole store as text and back, without any loss."""

from __future__ import annotations

import itertools
import os
import time

import lsmkv
from lsmkv.cli import dumpfile, mdbfile
from lsmkv.cli.exits import DONE, DataError, Interrupted, UsageError
from lsmkv.cli.interchange import CHUNK, CHUNK_BYTES, open_source, replacing
from lsmkv.cli.progress import Progress
from lsmkv.cli.stores import codecs, raw
from lsmkv.report.numbers import count, plural, rate, seconds, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeAlias

    from lsmkv import LSM, Snapshot
    from lsmkv.cli.output import Output

    Pairs: TypeAlias = Iterable[tuple[bytes, bytes]]


def dump(args: Namespace, out: Output) -> int:
    form = args.format or "lsmkv"
    to_file = args.file != "-"
    if args.json and not to_file and form != "lsmkv":
        raise UsageError("--json goes with a FILE: the dump itself is text of another kind", "name a FILE")
    if to_file and os.path.exists(args.file) and not args.yes:
        raise UsageError(f"{args.file} exists; nothing was written", "--yes replaces it")
    with raw(args.db) as db, db.snapshot() as frozen:
        pairs = Counted(frozen.items(), Progress("dump", None, "keys", quiet=not to_file and out.terminal))
        lines = mdb_lines(frozen, pairs, out) if form == "mdb" else dumpfile.write(pairs, codecs(db))
        with pairs.progress:
            if not to_file:
                out.stream.writelines(lines)
                return DONE
            with replacing(args.file) as target:
                target.writelines(lines)
    written = os.path.getsize(args.file)
    if args.json:
        out.object({"file": args.file, "format": form, "pairs": pairs.number, "bytes": written})
    else:
        out.text(f"wrote {plural(pairs.number, 'pair')} ({size(written)}) to {args.file}")
    return DONE


def mdb_lines(frozen: Snapshot, pairs: Iterable[tuple[bytes, bytes]], out: Output) -> Iterator[bytes]:
    """Reads the store twice: LMDB wants to know the size of its map before the first pair."""
    measure = mdbfile.Measure(frozen.items())
    warning = measure.warning()
    if warning:
        out.note(f"lsmkv dump: {warning}.")
    return mdbfile.write(pairs, measure.map_bytes)


class Counted:
    """Pairs on their way through, counted."""

    def __init__(self, pairs: Pairs, progress: Progress) -> None:
        self.pairs, self.progress, self.number = pairs, progress, 0

    def __iter__(self) -> Iterator[Any]:
        for pair in self.pairs:
            yield pair
            self.number += 1
            if self.number % CHUNK == 0:
                self.progress.update(self.number)


def load(args: Namespace, out: Output) -> int:
    began = time.monotonic()
    with open_source(args.file) as source:
        first = source.readline()
        form = recognised(args, first)
        lines = itertools.chain([first], source)
        if form == "mdb":
            stored = store(args, mdbfile.read(lines, args.database), lambda: raw(args.db, "c"))
        else:
            stored = store(args, dumpfile.read(lines), lambda: alike(args.db, dumpfile.codecs(first)))
    elapsed = time.monotonic() - began
    if args.json:
        out.object({"stored": stored, "format": form, "seconds": round(elapsed, 3)})
    else:
        out.text(f"stored {plural(stored, 'pair')}; {seconds(elapsed)}, {rate(stored, elapsed)}")
    return DONE


def recognised(args: Namespace, first: bytes) -> str:
    """Which format a dump is in: its first line tells."""
    form = next((name for name, one in (("lsmkv", dumpfile), ("mdb", mdbfile)) if first.startswith(one.FIRST)), None)
    if form is None:
        raise DataError(
            f"{named(args.file)} is not a dump: it begins neither with {dumpfile.FIRST.decode()!r} nor with VERSION=; "
            "nothing was stored",
            "lsmkv import reads jsonl, csv, tsv and txt",
        )
    if args.format not in (None, form):
        raise DataError(f"{named(args.file)} is a dump in the format {form}; nothing was stored", f"--format {form}")
    if args.database is not None and form != "mdb":
        raise UsageError("--database goes with dumps in the format mdb")
    return form


def alike(path: str, names: dict[str, str]) -> LSM:
    """The store to load into. A new one gets the codecs of the dump; one that is there must have them."""
    try:
        db = raw(path, "w")
    except lsmkv.StoreNotFoundError:
        if names["value"] == "pickle":
            raise UsageError(
                "the dump's values are pickles, which no file may choose; nothing was stored",
                f'python -c "import lsmkv; lsmkv.open({path!r}, value={names["value"]!r})", and this again',
            ) from None
        lsmkv.open(path, "c", key=names["key"], value=names["value"]).close()
        return raw(path, "w")
    if codecs(db) == names:
        return db
    kept = codecs(db)
    db.close()
    raise DataError(
        f"{path} keeps keys as {kept['key']} and values as {kept['value']}, and the dump holds "
        f"{names['key']} and {names['value']}; nothing was stored",
        "another directory",
    )


def store(args: Namespace, pairs: Pairs, opened: Callable[[], LSM]) -> int:
    """Store the pairs in chunks; how many. The first chunk is read before opened() may make the store."""
    stored = 0
    chunks = chunked(pairs)
    try:
        chunk: list[tuple[bytes, bytes]] | None = next(chunks)
        with opened() as db, Progress("load", None, "pairs") as progress:
            while chunk is not None:
                db.update(chunk)
                stored += len(chunk)
                progress.update(stored)
                chunk = next(chunks, None)
            db.sync()
    except dumpfile.Malformed as error:
        so_far = f"the first {count(stored)} pairs are stored" if stored else "nothing was stored"
        where = f"{named(args.file)}:{error.line}"
        raise DataError(f"{where}: {error.reason}; {so_far}", line=error.line, stored=stored) from None
    except KeyboardInterrupt:
        raise Interrupted(f"after {plural(stored, 'pair')} had been stored") from None
    return stored


def chunked(pairs: Iterable[tuple[bytes, bytes]]) -> Iterator[list[tuple[bytes, bytes]]]:
    """Lists of pairs, none of them longer than a chunk; one empty list when there are none."""
    chunk, room = [], CHUNK_BYTES
    for pair in pairs:
        chunk.append(pair)
        room -= len(pair[0]) + len(pair[1])
        if len(chunk) == CHUNK or room <= 0:
            yield chunk
            chunk, room = [], CHUNK_BYTES
    yield chunk


def named(name: str) -> str:
    return "standard input" if name == "-" else name
