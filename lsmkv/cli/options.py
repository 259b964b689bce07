"""options: the defaults, or what a store is opened with and is made of; each value with what it means."""

from __future__ import annotations

from dataclasses import asdict

from lsmkv.cli.exits import DONE
from lsmkv.cli.inspect import space_rows
from lsmkv.cli.stores import codecs, packing, raw
from lsmkv.options import Options
from lsmkv.report.numbers import seconds, size
from lsmkv.report.text import columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from lsmkv.cli.output import Output


# What 0 and None stand for; the others are what they say.
NOTHING = {
    "threads": "all work is done in the calls that make it due",
    "fifo_bytes": "no limit",
    "fifo_age": "no limit",
    "large_value_bytes": "off: values lie with their keys",
    "max_pinned_bytes": "no limit",
    "background_bytes_per_second": "no limit",
    "ttl": "keys live for ever",
}


def options(args: Namespace, out: Output) -> int:
    chosen, own = (asdict(Options()), {}) if args.db is None else of_store(args.db)
    told = dict(chosen, mode=f"{chosen['mode']:#o}")
    if args.json:
        out.object({"options": told, **own})
        return DONE
    rows = [(name, meaning(name, value, chosen)) for name, value in told.items()]
    rows += [(f"{what} codec", name) for what, name in own.get("codecs", {}).items()]
    rows += space_rows(own.get("namespaces", {}))
    for text in columns(rows, "<<", indent=""):
        out.text(text)
    return DONE


def of_store(path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(its options, its codecs and namespaces)."""
    with raw(path) as db:
        chosen, own = db.options, {"codecs": codecs(db), "namespaces": db.namespaces()}
    return chosen | {"compression": packing(path)}, own


def meaning(name: str, value: Any, chosen: dict[str, Any]) -> str:
    """The value as it is typed, and what a person makes of it."""
    if name == "cache_bytes" and not value:
        return f"0  ({size(chosen['memory_bytes'] * 3 // 8)}: three eighths of memory_bytes)"
    if not value:
        return f"{value}  ({NOTHING[name]})"
    if name.endswith("_ms"):
        return f"{value}  ({seconds(value / 1000)})"
    if name.endswith("_bytes_per_second"):
        return f"{value}  ({size(value)}/s)"
    return f"{value}  ({size(value)})" if name.endswith("_bytes") else str(value)
