"""flush, compact, verify, destroy."""

from __future__ import annotations

import os
import time

import lsmkv
from lsmkv.cli import formats
from lsmkv.cli.data import confirm
from lsmkv.cli.exits import DAMAGED, DONE, cannot_open, remedy, sentence
from lsmkv.cli.inspect import disk_use
from lsmkv.cli.progress import Progress
from lsmkv.cli.stores import Keys, opened, raw
from lsmkv.report import levels as picture
from lsmkv.report import stats as facts
from lsmkv.report.numbers import plural, seconds, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeAlias

    from lsmkv import LSM
    from lsmkv.cli.output import Output

    Report: TypeAlias = Callable[[int, int, str, str], object]


def flush(args: Namespace, out: Output) -> int:
    return reshape(args, out, "flushed", lambda db, progress: db.flush())


def compact(args: Namespace, out: Output) -> int:
    def work(db: LSM, progress: Report) -> None:
        start, stop = (
            None if text is None else formats.argument(args.key_format, text) for text in (args.start, args.stop)
        )
        db.compact(start, stop, progress=progress)

    return reshape(args, out, "compacted", work)


def reshape(args: Namespace, out: Output, done: str, work: Callable[[LSM, Report], None]) -> int:
    """Run a job that changes where records live, and tell what changed."""
    asked = args.compression
    with opened(args, "w") as db:
        how = args.compression if asked else f"{args.compression}, as the tables had it"
        before = [picture.plain(level) for level in db.levels]
        began = time.monotonic()
        with Progress(args.command, None, "bytes") as progress:
            work(db, progress.callback)
        elapsed = time.monotonic() - began
        after = [picture.plain(level) for level in db.levels]
        keys = Keys(db)
    if args.json:
        out.object(
            {
                done: True,
                "seconds": round(elapsed, 3),
                "compression": args.compression,
                "before": [picture.to_json(level, keys) for level in before],
                "after": [picture.to_json(level, keys) for level in after],
            }
        )
        return DONE
    for when, levels in (("before", before), ("after", after)):
        out.text(f"{when}:")
        for text in picture.tree(levels):
            out.text(text)
    out.text(f"{done} in {seconds(elapsed)}; compression {how}")
    unlike(args, out, asked, after)
    return DONE


def unlike(args: Namespace, out: Output, asked: str | None, after: Sequence[Mapping[str, Any]]) -> None:
    """Say so when tables are not as --compression has asked: they were not written again."""
    wanted = {"none": "raw", "lz4": "lz4", "zstd": "zstd"}.get(asked or "")
    left = sum(level["kind"] == "table" and level["codec"] != wanted for level in after) if wanted else 0
    if left:
        out.note(
            f"lsmkv {args.command}: {plural(left, 'table')} not {wanted}: what needs no merge is not written again. "
            f"Try: lsmkv dump {args.db} | lsmkv load NEW --compression {asked} && "
            f"lsmkv compact NEW --compression {asked}"
        )


def verify(args: Namespace, out: Output) -> int:
    began = time.monotonic()
    with Progress("verify", None, "bytes") as progress:
        try:
            with raw(args.db) as db:
                unread = facts.unread(db.stats())
                db.verify(progress=progress.callback)
        except lsmkv.CorruptionError as error:
            progress.clear()
            return damaged(args, out, getattr(error, "damage", None) or [error], closed=cannot_open(error))
    elapsed = time.monotonic() - began
    files, total = totals(args.db)
    if args.json:
        out.object({"sound": True, "files": files, "bytes": total, "unread": unread, "seconds": round(elapsed, 3)})
    else:
        out.text(f"sound: {plural(files, 'file')}, {size(total)}, every checksum right; {seconds(elapsed)}")
        if unread:
            out.text(f"not read: {size(unread)} of value files that nothing refers to")
    return DONE


def damaged(args: Namespace, out: Output, found: Sequence[Any], closed: bool) -> int:
    """Every damaged place, and whether the keys elsewhere can still be read. closed: the store cannot be opened."""
    places = [
        {"file": error.file, "offset": error.offset, "recoverable": error.recoverable, "error": sentence(error)}
        for error in found
    ]
    if args.json:
        out.object({"sound": False, "damage": places})
    else:
        for place in places:
            out.text(f"damaged: {place['error']}")
    rest = "all other keys stay readable" if all(place["recoverable"] for place in places) else "reading may fail"
    way = f"lsmkv dump {args.db} FILE --skip-damaged, then lsmkv load NEW FILE"
    if closed:
        rest, way = "the store cannot be opened, so no other place was looked at", remedy(found[0], args.db)
    out.flush()
    out.note(f"lsmkv verify: {args.db}: {plural(len(places), 'damaged place')}; {rest}. Try: {way}")
    return DAMAGED


def totals(path: str) -> tuple[int, ...]:
    """(files, bytes) of a store's directory."""
    rows = disk_use(path).values()
    return tuple(sum(row[at] for row in rows) for at in (0, 1))


def destroy(args: Namespace, out: Output) -> int:
    try:
        raw(args.db).close()  # says so when there is no store
    except (lsmkv.CorruptionError, lsmkv.FormatError):
        pass  # a damaged store can go too
    files, total = totals(args.db)
    what = f"{os.path.abspath(args.db)}: {plural(files, 'file')}, {size(total)}"
    if not args.dry_run:
        confirm(args, out, f"remove {what}")
        lsmkv.destroy(args.db)
    if args.json:
        out.object({"destroyed": not args.dry_run, "files": files, "bytes": total, "dry_run": args.dry_run})
    else:
        out.text(f"{'would remove' if args.dry_run else 'removed'} {what}")
    return DONE
