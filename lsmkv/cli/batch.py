"""batch: operations from lines, applied as one."""

from __future__ import annotations

import os

from lsmkv.cli.exits import DONE, DataError
from lsmkv.cli.interchange import open_source
from lsmkv.cli.operations import operations
from lsmkv.cli.readers import BadLine
from lsmkv.cli.stores import opened, opened_to_put, settle
from lsmkv.report.numbers import plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from lsmkv import LSM
    from lsmkv.cli.output import Output


def batch(args: Namespace, out: Output) -> int:
    if args.dry_run and os.path.exists(args.db):
        opened(args).close()  # for its formats
    if args.dry_run:
        settle(args, "bytes", "bytes")
        found, lsn = read_all(args), None
    else:
        store, found = opened_to_put(args, lambda: read_all(args))
        with store as db:
            apply(db, found, args.sync)
            lsn = db.lsn
    counts = {kind: sum(one[0] == kind for one in found) for kind in ("put", "delete", "delete-range")}
    if args.json:
        told = {"puts": counts["put"], "deletes": counts["delete"], "range_deletes": counts["delete-range"]}
        out.object({"applied": not args.dry_run, "operations": len(found), **told, "dry_run": args.dry_run, "lsn": lsn})
    else:
        words = {"put": "put", "delete": "delete", "delete-range": "range delete"}
        parts = ", ".join(plural(number, words[kind]) for kind, number in counts.items() if number)
        did = "would apply" if args.dry_run else "applied"
        out.text(f"{did} {plural(len(found), 'operation')}{': ' if parts else ''}{parts}")
    return DONE


def read_all(args: Namespace) -> list[Any]:
    with open_source(args.file) as source:
        return all_good(args.file, operations(args.format, source, args.key_format, args.value_format))


def all_good(name: str, found: Iterable[Any]) -> list[Any]:
    """A list of the operations, once every line has made sense."""
    good = []
    for one in found:
        if isinstance(one, BadLine):
            where = f"{'standard input' if name == '-' else name}:{one.line}"
            raise DataError(f"{where}: {one.reason}; nothing was applied", line=one.line, applied=False)
        good.append(one)
    return good


def apply(db: LSM, found: Sequence[Any], sync: bool) -> None:
    with db.batch(sync=True if sync else None) as together:
        calls: dict[str, Callable[..., None]] = {
            "put": together.put,
            "delete": together.delete,
            "delete-range": together.delete_range,
        }
        for kind, *operands in found:
            calls[kind](*operands)
