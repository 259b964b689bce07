"""dump: a whole store as text, without any loss."""

from __future__ import annotations

import os

import lsmkv
from lsmkv._core import expires_at
from lsmkv.cli import dumpfile, mdbfile, salvage
from lsmkv.cli.dumpfile import Space
from lsmkv.cli.exits import UsageError
from lsmkv.cli.interchange import CHUNK, replacing
from lsmkv.cli.progress import Progress
from lsmkv.cli.salvage import Lost
from lsmkv.cli.stores import FORMATS, codecs, raw
from lsmkv.report.numbers import plural, size
from lsmkv.report.text import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from lsmkv import LSM, Snapshot
    from lsmkv.cli.dumpfile import Entry
    from lsmkv.cli.output import Output


def dump(args: Namespace, out: Output) -> int:
    form = args.format or "lsmkv"
    to_file = args.file != "-"
    if args.json and not to_file and form != "lsmkv":
        raise UsageError("--json goes with a FILE: the dump itself is text of another kind", "name a FILE")
    if to_file and os.path.exists(args.file) and not args.yes:
        raise UsageError(f"{args.file} exists; nothing was written", "--yes replaces it")
    left_out = Lost("dump", out)
    with raw(args.db) as db, db.snapshot() as frozen:
        reader = Reader(db, left_out, args.skip_damaged)
        counted = Counted(Progress("dump", None, "keys", quiet=not to_file and out.terminal))
        if form == "mdb":
            lines = mdbfile.write(counted.through(reader.pairs(frozen)), measured(frozen, reader, out))
        else:
            lines = dumpfile.write(counted.through(content(db, frozen, reader)))
        with counted.progress:
            if not to_file:
                out.stream.writelines(lines)
                return left_out.end(args.db)
            with replacing(args.file) as target:
                target.writelines(lines)
    written = os.path.getsize(args.file)
    if args.json:
        told = left_out.document() if args.skip_damaged else {}
        out.object({"file": args.file, "format": form, "pairs": counted.number, "bytes": written, **told})
    else:
        out.text(f"wrote {plural(counted.number, 'pair')} ({size(written)}) to {args.file}")
    return left_out.end(args.db)


class Reader:
    """Reads pairs; skipping: past damage."""

    def __init__(self, db: LSM[bytes, bytes], lost: Lost, skipping: bool) -> None:
        self.db, self.lost, self.skipping = db, lost, skipping

    def pairs(self, source: Snapshot[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
        if not self.skipping:
            return iter(source.items())
        return salvage.pairs(source, self.lost)

    def entries(self, source: Snapshot[bytes, bytes]) -> Iterator[Entry]:
        for key, value in self.pairs(source):
            try:
                expires_ns = expires_at(source, key)
            except KeyError:  # its time has come meanwhile
                continue
            except lsmkv.CorruptionError:
                if not self.skipping:
                    raise
                self.lost.undate()  # a scan has read it, and the index that a lookup needs is damaged
                expires_ns = None
            yield key, value, expires_ns

    def namespaces(self) -> Mapping[str, Any]:
        try:
            return self.db.namespaces()
        except lsmkv.CorruptionError as error:
            if not self.skipping:
                raise
            self.lost.names(error)
            return {}

    def named(self, name: str | None, key_codec: str) -> None:
        """Of what is read next."""
        self.lost.space, self.lost.key_format = name, FORMATS.get(key_codec, key_codec)


def content(db: LSM[bytes, bytes], frozen: Snapshot[bytes, bytes], reader: Reader) -> Iterator[Any]:
    """The lines of a dump: the default key space, then the namespaces by name."""
    names = codecs(db)
    yield Space(None, names["key"], names["value"], None)
    reader.named(None, names["key"])
    yield from reader.entries(frozen)
    for name, facts in reader.namespaces().items():
        with db.namespace(name, key="raw", value="raw", create=False) as space:
            yield Space(name, facts["key"], facts["value"], facts["ttl"])
            reader.named(name, facts["key"])
            yield from reader.entries(frozen.namespace(space))


def measured(frozen: Snapshot[bytes, bytes], reader: Reader, out: Output) -> int:
    """The size of LMDB's map, which its dump begins with; and a word on what that format loses, or LMDB refuses."""
    expiring = 0

    def pairs() -> Iterator[tuple[bytes, bytes]]:
        nonlocal expiring
        for key, value, expires_ns in reader.entries(frozen):
            expiring += expires_ns is not None
            yield key, value

    measure = mdbfile.Measure(pairs())
    for warning in (lost(list(reader.namespaces()), expiring), measure.warning()):
        if warning:
            out.note(f"lsmkv dump: {warning}.")
    return measure.map_bytes


def lost(namespaces: list[str], expiring: int) -> str | None:
    """What to say about a store that the format mdb cannot hold, or None."""
    parts = []
    if namespaces:
        shown = ", ".join(escape(name.encode(), 40) for name in namespaces[:5]) + (
            ", ..." if len(namespaces) > 5 else ""
        )
        parts.append(f"leaves out {plural(len(namespaces), 'namespace')} ({shown})")
    if expiring:
        parts.append(f"writes {plural(expiring, 'key')} without the time at which they expire")
    return f"the format mdb {' and '.join(parts)}. --format lsmkv keeps everything" if parts else None


class Counted:
    """Counts the pairs on their way through."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.number = progress, 0

    def through(self, content: Iterable[Any]) -> Iterator[Any]:
        for one in content:
            yield one
            self.number += not isinstance(one, Space)
            if self.number % CHUNK == 0:
                self.progress.update(self.number)
