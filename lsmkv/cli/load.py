"""load: what a dump holds, into a store. A dump of a whole store makes one that is the same."""

from __future__ import annotations

import itertools
import time

import lsmkv
from lsmkv._core import put_until
from lsmkv.cli import dumpfile, mdbfile
from lsmkv.cli.dumpfile import Space
from lsmkv.cli.exits import DONE, DataError, Interrupted, UsageError
from lsmkv.cli.interchange import CHUNK, CHUNK_BYTES, open_source
from lsmkv.cli.progress import Progress
from lsmkv.cli.stores import codecs, raw, writing
from lsmkv.report.numbers import count, plural, rate, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, TypeAlias

    from lsmkv import LSM
    from lsmkv.cli.dumpfile import Entry
    from lsmkv.cli.output import Output
    from lsmkv.codecs import ValueCodec

    Chunk: TypeAlias = tuple[Space, list[Entry]]


def load(args: Namespace, out: Output) -> int:
    began = time.monotonic()
    with open_source(args.file) as source:
        first = source.readline()
        form = recognised(args, first)
        lines = itertools.chain([first], source)
        if form == "mdb":
            stored = store(args, as_content(mdbfile.read(lines, args.database)), Target(args, any_codec=True))
        else:
            stored = store(args, dumpfile.read(lines), Target(args))
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


def as_content(pairs: Iterable[tuple[bytes, bytes]]) -> Iterator[Any]:
    yield Space(None, "bytes", "bytes", None)
    for key, value in pairs:
        yield key, value, None


# ---- where it goes --------------------------------------------------------------------------------


class Target:
    """The store to load into, for a `with`. A new one, and a new namespace, gets the codecs of the dump; what is there
    must have them, unless any_codec."""

    root: LSM[bytes, bytes] | None = None

    def __init__(self, args: Namespace, any_codec: bool = False) -> None:
        self.path, self.any_codec = args.db, any_codec
        self.options = writing(args)

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *_: object) -> None:
        if self.root is not None:
            self.root.close()

    def open(self, space: Space) -> LSM[bytes, bytes]:
        if space.name is None:
            self.root = self.opened_root(space)
            return self.root
        assert self.root is not None  # the default key space comes first
        there = self.root.namespaces().get(space.name)
        if there is None:
            refuse_pickle(space, f"lsmkv.open({self.path!r}, key='raw', value='raw').namespace({space.name!r}")
            self.root.namespace(space.name, key=space.key, value=alike(space.value), ttl=space.ttl).close()
        elif (there["key"], there["value"]) != (space.key, space.value):
            raise other_codecs(f"the namespace {space.name} of {self.path}", there, space)
        return self.root.namespace(space.name, key="raw", value="raw", create=False)

    def opened_root(self, space: Space) -> LSM[bytes, bytes]:
        try:
            db = raw(self.path, "w", **self.options)
        except lsmkv.StoreNotFoundError:
            refuse_pickle(space, f"lsmkv.open({self.path!r}")
            lsmkv.open(self.path, "c", key=space.key, value=alike(space.value)).close()
            return raw(self.path, "w", **self.options)
        there = codecs(db)
        if self.any_codec or (there["key"], there["value"]) == (space.key, space.value):
            return db
        db.close()
        raise other_codecs(self.path, there, space)


def refuse_pickle(space: Space, call: str) -> None:
    if space.value == "pickle":
        raise UsageError(
            "the dump's values are pickles, which no file may choose",
            f'python -c "import lsmkv; {call}, key={space.key!r}, value={space.value!r})", and this again',
        )


def alike(name: str) -> str | ValueCodec[bytes]:
    """A codec of that name to make a store with. One that only its author has is as good as its name: bytes go in."""
    try:
        lsmkv.codecs.value(name)
        return name
    except (ValueError, ImportError):
        return lsmkv.codecs.ValueCodec(name, bytes, bytes)


def other_codecs(place: str, there: Mapping[str, Any], space: Space) -> DataError:
    return DataError(
        f"{place} keeps keys as {there['key']} and values as {there['value']}, and the dump holds {space.key} and "
        f"{space.value}",
        "another directory",
    )


# ---- what goes there ------------------------------------------------------------------------------


def store(args: Namespace, content: Iterable[Any], target: Target) -> int:
    """Store it in chunks; how many pairs. The first chunk is read before anything is made."""
    stored = 0
    chunks = chunked(content)
    opened: Space | None = None
    db: lsmkv.LSM[Any, Any] | None = None
    ttl: float | None = None
    try:
        with target, Progress("load", None, "pairs") as progress:
            for space, chunk in chunks:
                if db is None or space is not opened:
                    db, opened = target.open(space), space
                    ttl = db.namespaces()[space.name]["ttl"] if space.name else None
                put(db, chunk, as_it_is=ttl is None)
                stored += len(chunk)
                progress.update(stored)
            if db is not None:
                db.sync()
    except dumpfile.Malformed as error:
        where = f"{named(args.file)}:{error.line}"
        text = f"{where}: {error.reason}; {so_far(stored)}"
        raise DataError(text, line=error.line, stored=stored) from None
    except (UsageError, DataError) as error:
        raise type(error)(f"{error.text}; {so_far(stored)}", error.hint, stored=stored) from None
    except KeyboardInterrupt:
        raise Interrupted(f"after {plural(stored, 'pair')} had been stored") from None
    return stored


def so_far(stored: int) -> str:
    return f"the first {count(stored)} pairs are stored" if stored else "nothing was stored"


def put(db: LSM[bytes, bytes], chunk: list[Entry], as_it_is: bool) -> None:
    """Store a chunk. as_it_is: a pair put without an expiry has none."""
    if as_it_is and all(expires_ns is None for _, _, expires_ns in chunk):
        db.update([(key, value) for key, value, _ in chunk])
    else:
        for key, value, expires_ns in chunk:
            put_until(db, key, value, expires_ns)


def chunked(content: Iterable[Any]) -> Iterator[Chunk]:
    """(space, entries) in order, none of them longer than a chunk; an empty one where there are none."""
    entries = iter(content)
    space: Space = next(entries)
    chunk: list[Entry] = []
    room = CHUNK_BYTES
    for one in entries:
        if isinstance(one, Space):
            yield space, chunk
            space, chunk, room = one, [], CHUNK_BYTES
            continue
        chunk.append(one)
        room -= len(one[0]) + len(one[1])
        if len(chunk) == CHUNK or room <= 0:
            yield space, chunk
            chunk, room = [], CHUNK_BYTES
    yield space, chunk


def named(name: str) -> str:
    return "standard input" if name == "-" else name
