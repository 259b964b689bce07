"""info, levels, tables, explain: looking inside without touching anything."""

from __future__ import annotations

import os
from itertools import chain

from lsmkv.cli import formats
from lsmkv.cli.exits import DONE, NEGATIVE
from lsmkv.cli.progress import Progress
from lsmkv.cli.stores import Keys, opened, raw
from lsmkv.report import levels as picture
from lsmkv.report import stats as facts
from lsmkv.report.explain import lines as explain_lines
from lsmkv.report.explain import plain
from lsmkv.report.numbers import count, lsn, plural, size, times
from lsmkv.report.text import columns, escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from lsmkv import LSM
    from lsmkv.cli.output import Output


KINDS = {".log": "log segments", ".tbl": "tables", ".val": "value segments"}


def disk_use(path: str) -> dict[str, list[int]]:
    """{kind: [files, bytes, bytes allocated]} of a store's directory."""
    found: dict[str, list[int]] = {}
    with os.scandir(path) as entries:
        for entry in entries:
            try:
                about = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # a writer has just replaced it
            row = found.setdefault(KINDS.get(os.path.splitext(entry.name)[1], "other files"), [0, 0, 0])
            row[0] += 1
            row[1] += about.st_size
            row[2] += about.st_blocks * 512
    return found


def live(db: LSM[bytes, bytes], spaces: Iterable[str], progress: Progress) -> tuple[int, int]:
    """(keys, bytes of keys and values) of the store and these namespaces, by reading all of it."""
    views = [db.items(), *(db.namespace(name, key="raw", value="raw", create=False).items() for name in spaces)]
    keys = total = 0
    with progress:
        for key, value in chain.from_iterable(views):
            keys += 1
            total += len(key) + len(value)
            if keys % 4096 == 0:
                progress.update(keys)
    return keys, total


def info(args: Namespace, out: Output) -> int:
    with raw(args.db) as db:
        stats, levels = db.stats(), [picture.plain(level) for level in db.levels]
        spaces, keys = db.namespaces(), Keys(db)
        exact = live(db, spaces, Progress("count", None, "keys")) if args.count else None
    disk = disk_use(args.db)
    size_all, allocated = (sum(row[at] for row in disk.values()) for at in (1, 2))
    keys_at_most = facts.keys_at_most(levels)
    if args.json:
        document = {
            "path": os.path.abspath(args.db),
            "bytes": size_all,
            "bytes_allocated": allocated,
            "files": {kind: {"files": row[0], "bytes": row[1]} for kind, row in sorted(disk.items())},
            "keys_at_most": keys_at_most,
            "lsn": lsn(stats["lsn_visible"]),
            "clean_open": bool(stats["clean_open"]),
            "places_per_get": facts.places(levels),
            "namespaces": spaces,
            "levels": [picture.to_json(level, keys) for level in levels],
            "stats": stats,
        }
        if exact:
            document |= {"keys": exact[0], "live_bytes": exact[1]}
        out.object(document)
        return DONE
    rows = [
        ("store", os.path.abspath(args.db)),
        (
            "size",
            f"{size(size_all)} in {plural(sum(row[0] for row in disk.values()), 'file')}; {size(allocated)} allocated",
        ),
        *((f"  {kind}", f"{size(row[1])} in {plural(row[0], 'file')}") for kind, row in sorted(disk.items())),
    ]
    if exact:
        rows.append(("keys", f"{count(exact[0])}, {size(exact[1])} of keys and values"))
        rows.append(("space used", f"{times(allocated, exact[1])} of the live keys and values"))
    else:
        rows.append(("keys", f"at most {count(keys_at_most)} (lsmkv info --count reads them all)"))
    rows.append(("a get asks", f"at most {plural(facts.places(levels), 'place')}"))
    rows.append(("position", f"{lsn(stats['lsn_visible'])} in the log (segment:offset)"))
    rows.append(("last close", "clean" if stats["clean_open"] else "not clean, or a writer has the store open"))
    rows += space_rows(spaces)
    for text in columns(rows, "<<", indent=""):
        out.text(text)
    out.text()
    for text in picture.tree(levels):
        out.text(text)
    return DONE


def levels(args: Namespace, out: Output) -> int:
    with raw(args.db) as db:
        found, keys = [picture.plain(level) for level in db.levels], Keys(db)
    if args.json:
        out.object([picture.to_json(level, keys) for level in found])
    else:
        for text in picture.tree(found) if args.summary else picture.table(found, show=keys):
            out.text(text)
    return DONE


def tables(args: Namespace, out: Output) -> int:
    with raw(args.db) as db:
        everything, keys = [picture.plain(level) for level in db.levels], Keys(db)
    found = [level for level in everything if level["kind"] in ("table", "values")]
    if args.json:
        out.object([picture.to_json(file, keys) for file in found])
        return DONE
    values = picture.values_of(found)
    sorted_tables = found[: len(found) - len(values)]
    for text in picture.tables(sorted_tables, show=keys) if sorted_tables else no_tables(everything):
        out.text(text)
    for text in ["", *picture.values(values)] if values else []:
        out.text(text)
    return DONE


def no_tables(levels: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a store has that has no tables."""
    records, deletions = (sum(level[name] for level in levels) for name in ("records", "tombstones"))
    deletions += sum(level["range_deletes"] for level in levels)
    if not records:
        return ["no tables: nothing is stored"]
    among = f", {plural(deletions, 'deletion')} among them" if deletions else ""
    return [f"no tables: {plural(records, 'record')} in the log{among}"]


def space_rows(spaces: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The namespaces, a row each; none where there are none."""
    rows = [("namespaces", str(len(spaces)))] if spaces else []
    for name, about in spaces.items():
        lives = "" if about["ttl"] is None else f"; a key lives {about['ttl']:,g} s"
        rows.append((f"  {escape(name.encode(), 40)}", f"{about['key']} keys, {about['value']} values{lives}"))
    return rows


def explain(args: Namespace, out: Output) -> int:
    with opened(args) as db:
        key = formats.argument(args.key_format, args.key)
        found, probes = explained(db, key)
    if args.json:
        told = [dict(probe, file=picture.file_name(probe)) for probe in probes]
        out.object({**formats.field("key", args.key_format, key), "found": found, "probes": told})
    else:
        for text in explain_lines(key, found, probes, formats.told(args.key_format, key) or None):
            out.text(text)
    return DONE if found else NEGATIVE


def explained(db: LSM, key: bytes) -> tuple[bool, list[dict[str, Any]]]:
    """(found, probes as dicts) of LSM.explain. A real get goes first, so that what it reads has been verified."""
    found = db.get(key) is not None
    return found, [plain(probe) for probe in db.explain(key)]
