"""stat: the counters of a store, once or again and again."""

from __future__ import annotations

import time

from lsmkv.cli.exits import DONE
from lsmkv.cli.stores import raw
from lsmkv.report.counters import grouped
from lsmkv.report.numbers import count, lsn, seconds, size
from lsmkv.report.text import columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from lsmkv.cli.output import Output


CLEAR = "\x1b[H\x1b[J"


def stat(args: Namespace, out: Output) -> int:
    before = None
    while True:
        with raw(args.db) as db:
            stats = db.stats()
        if args.json:
            out.object(stats)
        else:
            out.raw(CLEAR.encode() if args.watch and out.terminal else b"\n" if before else b"")
            for text in lines(stats, before):
                out.text(text)
        if not args.watch:
            return DONE
        out.flush()
        before = stats
        time.sleep(args.watch)


def lines(stats: Mapping[str, int], before: Mapping[str, int] | None = None) -> list[str]:
    """Rows of group, counter, value and, when there was a look before, the change since."""
    rows = []
    for group, counters in grouped(stats).items():
        for at, (name, value) in enumerate(counters.items()):
            change = changed(name, value, before[name]) if before else ""
            rows.append([group if at == 0 else "", name, shown(name, value), change])
    return columns(rows, "<<>>", indent="")


def shown(name: str, value: int) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.startswith("lsn_"):
        return lsn(value)
    if name.endswith("_ns"):
        return seconds(value / 1e9)
    return size(value) if name.endswith("_bytes") else count(value)


def changed(name: str, value: int, old: int) -> str:
    """+3, -1.2 KiB; nothing for what did not change or does not count anything."""
    if value == old or isinstance(value, bool) or name.startswith("lsn_"):
        return ""
    return f"{'+' if value > old else '-'}{shown(name, abs(value - old))}"
