"""put, get, delete, exists, scan, incr."""

from __future__ import annotations

import sys

import lsmkv
from lsmkv.cli import formats
from lsmkv.cli.exits import DONE, NEGATIVE, USAGE, CommandError, DataError, UsageError
from lsmkv.cli.stores import opened, opened_to_put
from lsmkv.report.numbers import plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator

    from lsmkv import LSM, RangeView, Snapshot
    from lsmkv.cli.output import Output


def put(args: Namespace, out: Output) -> int:
    given = sys.stdin.buffer.read() if args.value is None else args.value

    def pair() -> tuple[bytes, bytes]:
        return formats.argument(args.key_format, args.key), formats.argument(args.value_format, given, "value")

    store, (key, value) = opened_to_put(args, pair)
    with store as db:
        lsn = db.put(key, value, ttl=args.ttl, sync=True if args.sync else None)
    if args.json:
        out.object({"stored": True, **formats.field("key", args.key_format, key), "bytes": len(value), "lsn": lsn})
    return DONE


def get(args: Namespace, out: Output) -> int:
    with opened(args) as db:
        keys = [formats.argument(args.key_format, key) for key in args.keys]
        values = db.get_many(keys)
    show = one_value if len(keys) == 1 else one_line
    for key, value in zip(keys, values, strict=True):
        if args.json:
            found = formats.field("value", args.value_format, value) if value is not None else {}
            out.object({**formats.field("key", args.key_format, key), "found": value is not None, **found})
        elif value is None:
            out.note(f"lsmkv get: {formats.told(args.key_format, key)} is not there")
        else:
            show(args, out, key, value)
    return NEGATIVE if None in values else DONE


def one_value(args: Namespace, out: Output, key: bytes, value: bytes) -> None:
    exact = args.value_format in ("utf8", "raw") and not out.terminal and not args.prompt
    out.raw(formats.show(args.value_format, value, out.terminal, "value") + (b"" if exact else b"\n"))


def one_line(args: Namespace, out: Output, key: bytes, value: bytes) -> None:
    shown = formats.show(args.value_format, value, out.terminal, "value")
    out.raw(formats.show(args.key_format, key, out.terminal) + b"\t" + shown + b"\n")


def incr(args: Namespace, out: Output) -> int:
    def amount() -> tuple[bytes, int | float]:
        return formats.argument(args.key_format, args.key), number(args.delta)

    store, (key, delta) = opened_to_put(args, amount, typed=True)
    with store as db:
        try:
            total = db.incr(key, delta)
        except (TypeError, ValueError) as error:
            if isinstance(error, lsmkv.LsmkvError):
                raise
            shown = formats.shorten(args.key)
            refuse = UsageError if isinstance(delta, float) else DataError
            reason = str(error).removesuffix(": it stays as it is")
            raise refuse(f"{shown} was not changed: {reason}", f"lsmkv get {args.db} {shown}") from None
    if args.json:
        out.object({**formats.field("key", args.key_format, key), "value": total})
    else:
        out.text(str(total))
    return DONE


def number(text: str) -> int | float:
    """A whole number, or another one. nan and inf would spoil what they are added to."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        given = float(text)
    except ValueError:
        given = float("nan")
    if given - given != 0:
        raise UsageError(f"'{formats.shorten(text)}' is not a number")
    return given


def exists(args: Namespace, out: Output) -> int:
    with opened(args) as db:
        key = formats.argument(args.key_format, args.key)
        found = key in db
    if args.json:
        out.object({**formats.field("key", args.key_format, key), "exists": found})
    else:
        out.text("yes" if found else "no")
    return DONE if found else NEGATIVE


def scan(args: Namespace, out: Output) -> int:
    keys_only = args.keys_only or args.command in ("keys", "ls")
    with opened(args) as db:
        view = limited(span(db, args, args.reverse), args.limit)
        if args.count:
            number = view.count()
            out.object({"count": number}) if args.json else out.text(str(number))
        elif args.json:
            for key, value in with_values(view, keys_only):
                shown = {} if keys_only else formats.field("value", args.value_format, value)
                out.object({**formats.field("key", args.key_format, key), **shown})
        else:
            show_key, show_value = shower(args.key_format, out, "key"), shower(args.value_format, out, "value")
            for key, value in with_values(view, keys_only):
                out.raw(show_key(key) + (b"\n" if keys_only else b"\t" + show_value(value) + b"\n"))
    return DONE


def with_values(view: RangeView, keys_only: bool) -> Iterator[tuple[bytes, bytes]]:
    return ((key, b"") for key in view) if keys_only else iter(view.items())


def limited(view: RangeView, limit: int | None) -> RangeView:
    return view if limit is None else view.limit(limit)


def shower(name: str, out: Output, what: str) -> Callable[[bytes], bytes]:
    """A function from bytes to the bytes to print; the common case does nothing."""
    if name == "raw" or (name == "utf8" and not out.terminal):
        return bytes
    return lambda data: formats.show(name, data, out.terminal, what)


def bounds(args: Namespace) -> tuple[bytes | None, bytes | None]:
    """(start, stop) of --start, --stop and --prefix together; None is open on that side."""
    start, stop, prefix = (
        None if text is None else formats.argument(args.key_format, text)
        for text in (args.start, args.stop, args.prefix)
    )
    if prefix is None:
        return start, stop
    after = successor(prefix)
    start = prefix if start is None else max(start, prefix)
    stop = after if stop is None else stop if after is None else min(stop, after)
    return start, stop


def successor(prefix: bytes) -> bytes | None:
    """The first key after every key that begins with prefix; None when there is none."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1]) if kept else None


def span(db: LSM | Snapshot, args: Namespace, reverse: bool = False) -> RangeView:
    start, stop = bounds(args)
    return db.range(start, stop, reverse=reverse)


def delete(args: Namespace, out: Output) -> int:
    ranged = args.all or any(text is not None for text in (args.start, args.stop, args.prefix))
    if bool(args.keys) == ranged or (args.all and not (args.start is args.stop is args.prefix is None)):
        raise UsageError("name keys, or one range with --start, --stop and --prefix, or --all", "lsmkv delete --help")
    return delete_range(args, out) if ranged else delete_keys(args, out)


def delete_keys(args: Namespace, out: Output) -> int:
    missing = []
    with opened(args, "r" if args.dry_run else "w") as db:
        keys = [formats.argument(args.key_format, key) for key in args.keys]
        for key in keys:
            try:
                db[key] if args.dry_run else db.__delitem__(key)
            except KeyError:
                missing.append(key)
    if args.json:
        absent = [formats.field("key", args.key_format, key) for key in missing]
        out.object({"deleted": len(keys) - len(missing), "missing": absent, "dry_run": args.dry_run})
    else:
        for key in missing:
            out.note(f"lsmkv delete: {formats.told(args.key_format, key)} is not there")
        if args.dry_run:
            out.text(f"would delete {plural(len(keys) - len(missing), 'key')}")
    return NEGATIVE if missing else DONE


def delete_range(args: Namespace, out: Output) -> int:
    with opened(args, "r" if args.dry_run else "w") as db:
        start, stop = bounds(args)
        number = db.range(start, stop).count()
        if not args.dry_run and number:
            confirm(args, out, f"delete {plural(number, 'key')} from {args.db}")
            db.delete_range(start, stop)
    if args.json:
        out.object({"deleted": number, "dry_run": args.dry_run})
    else:
        out.text(f"{'would delete' if args.dry_run else 'deleted'} {plural(number, 'key')}")
    return DONE


class Declined(CommandError):
    code = USAGE


def confirm(args: Namespace, out: Output, what: str) -> None:
    """Go on when --yes was given or somebody at a terminal types yes."""
    if args.yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Declined(f"this would {what}; nothing was done", "add --yes, or --dry-run to look first")
    sys.stderr.write(f"This will {what}. Type yes to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("yes", "y"):
        raise Declined("nothing was done")
