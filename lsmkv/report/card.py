"""The card of a store: what a notebook shows for `db`.

    LSM  fruit.db   [open] [read only]
    MemTable  [=======------------]  1.40 KiB of at most 4 KiB
    place     size                   files  records  deletions
    L0        [=                ]
    run 1     [===              ]
    run 2     [=================]
    write amplification   space   a get asks      measured since the store was opened, or now
    options

All of it comes from stats(), levels and options: memory only, no file, no lock that a writer holds for long. A store
that is closed, or belongs to another process, has a card that says so.
"""

from __future__ import annotations

import os
from typing import Any

from lsmkv import _core
from lsmkv.report import html
from lsmkv.report import levels as listing
from lsmkv.report import stats as facts
from lsmkv.report.axis import Place
from lsmkv.report.heat import deletions
from lsmkv.report.numbers import count, plural, size
from lsmkv.report.text import at_most, columns, cut_middle, escape

PATH_CHARS = 96
ROWS = 24
HEADINGS = ("size", "files", "records", "deletions")
OPTIONS = ("durability", "threads", "segment_bytes", "l0_segments", "table_bytes", "run_count", "page_bytes")

STYLE = (
    ".lsmkv .card{border:1px solid var(--lsmkv-line);border-radius:8px;padding:12px 16px}"
    ".lsmkv .head{display:flex;flex-wrap:wrap;gap:4px 10px;align-items:baseline;margin-bottom:10px}"
    ".lsmkv .head b{font-size:15px}"
    ".lsmkv .chip{border:1px solid currentColor;border-radius:9px;padding:0 8px;font-size:.84em;"
    "color:var(--lsmkv-muted);white-space:nowrap}"
    ".lsmkv .chip.good{color:var(--lsmkv-good)}.lsmkv .chip.warn{color:var(--lsmkv-warn)}"
    ".lsmkv .bar{display:flex;height:10px;min-width:60px;border-radius:3px;overflow:hidden;"
    "background:var(--lsmkv-panel)}"
    ".lsmkv .bar>i{display:block;height:100%;min-width:1px}"
    ".lsmkv .gauge{display:flex;align-items:center;gap:12px;margin-bottom:8px}"
    ".lsmkv .gauge .bar{flex:1;border:1px solid var(--lsmkv-line);height:14px}"
    f"{html.TABLES} .places td.b{{width:99%}}"
    ".lsmkv .tiles{display:flex;flex-wrap:wrap;gap:10px;margin:12px 0 10px}"
    ".lsmkv .tile{flex:1 1 190px;background:var(--lsmkv-panel);border-radius:6px;padding:8px 12px}"
    ".lsmkv .tile strong{display:block;font-size:20px;font-weight:600;line-height:1.3}"
    ".lsmkv .tile small{display:block;font-size:.86em;color:var(--lsmkv-muted)}"
    ".lsmkv .tile .bar{margin:5px 0;background:var(--lsmkv-line)}"
    ".lsmkv .tile .legend{display:flex;flex-wrap:wrap;gap:0 10px}"
    ".lsmkv .sw{display:inline-block;width:9px;height:9px;border-radius:2px;margin-right:4px}"
    ".lsmkv .options{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:.9em}"
)


def of_store(db: _core.LSM[Any, Any], readonly: bool) -> str:
    """HTML; never raises. readonly is not to be seen from outside, so the caller says it."""
    try:
        return card(db, readonly)
    except Exception:
        return without_numbers(db)


def without_numbers(db: _core.LSM[Any, Any]) -> str:
    """What can be said of a store that tells nothing: closed, of another process, or just being closed."""
    try:
        words = repr(db)
    except Exception:  # a subclass may say anything
        words = object.__repr__(db)
    words = cut_middle(escape(words.encode("utf-8", "surrogateescape")), 4 * PATH_CHARS)
    return html.frame(f'<div class="card"><span class="k">{html.text(words)}</span></div>', words, css=STYLE)


def card(db: _core.LSM[Any, Any], readonly: bool) -> str:
    stats, options = db.stats(), db.options
    levels = [listing.plain(level) for level in db.levels]
    parts = [
        head(db, stats, readonly),
        gauge(stats, options, levels),
        places([level for level in levels if level["kind"] != "memtable"]),
        f'<div class="tiles">{written(stats)}{space(levels)}{asked(levels, stats)}</div>',
        chosen(options),
    ]
    return html.frame(f'<div class="card">{"".join(parts)}</div>', plainly(db, stats, levels), css=STYLE)


def plainly(db: _core.LSM[Any, Any], stats: dict[str, int], levels: list[dict[str, Any]]) -> str:
    """The same as text."""
    factor, amplified = facts.write_amplification(stats), facts.space_amplification(levels)
    rows = [
        ("write amplification", "nothing written yet" if factor is None else f"{factor:.2f}x since it was opened"),
        ("space amplification", f"at most {amplified[0]:.1f}x" if amplified else "nothing in a run yet"),
        ("a get asks", f"at most {plural(facts.places(levels), 'place')}"),
    ]
    return "\n".join(
        [
            escape(repr(db).encode("utf-8", "surrogateescape"), 4 * PATH_CHARS),
            *at_most(listing.tree(levels), ROWS),
            *columns(rows, "<<"),
        ]
    )


# ---- the parts ------------------------------------------------------------------------------


def head(db: _core.LSM[Any, Any], stats: dict[str, int], readonly: bool) -> str:
    where = cut_middle(escape(os.fsencode(db.path)), PATH_CHARS)
    chips = [("warn", "a sync failed: no more writes")] if stats["failed"] else [("good", "open")]
    if readonly:
        chips.append(("", "read only"))
    if stats["stalls"]:
        chips.append(("", plural(stats["stalls"], "stall")))
    if stats["live_snapshots"]:
        chips.append(("", plural(stats["live_snapshots"], "snapshot")))
    if stats["live_iterators"]:
        chips.append(("", plural(stats["live_iterators"], "iterator")))
    shown = "".join(f'<span class="chip {kind}">{words}</span>' for kind, words in chips)
    name = html.text(escape(type(db).__name__.encode("utf-8", "backslashreplace"), 40))
    return f'<div class="head"><b>{name}</b><span class="k">{html.text(where)}</span>{shown}</div>'


def bar(parts: list[tuple[int, float]]) -> str:
    """parts: (class, share of the whole)."""
    return (
        '<div class="bar">'
        + "".join(f'<i class="h{step}" style="width:{share:.1%}"></i>' for step, share in parts if share > 0)
        + "</div>"
    )


def gauge(stats: dict[str, int], options: dict[str, Any], levels: list[dict[str, Any]]) -> str:
    """What the capacity of the present segment is, is not told; it is no more than segment_bytes."""
    held, most = stats["memtable_bytes"], options["segment_bytes"]
    memtables = [level for level in levels if level["kind"] == "memtable"]
    records, deleted = sum(level["records"] for level in memtables), deletions(memtables)
    return (
        f'<div class="gauge"><span>MemTable</span>{bar([(4, min(held / most, 1))])}'
        f'<span class="m">{size(held)} of at most {size(most)}; {plural(records, "record")}'
        f"{', ' + plural(deleted, 'deletion') if deleted else ''}</span></div>"
    )


def places(levels: list[dict[str, Any]]) -> str:
    groups = listing.grouped(levels)
    if not groups:
        return ""
    held = [sum(level["bytes"] for level in group) for _, group in groups]
    largest = max(held) or 1
    runs = [at for at, (_, group) in enumerate(groups) if group[0]["kind"] == "table"]
    rows = [place(where, group, held[at] / largest, at in runs[-1:]) for at, (where, group) in enumerate(groups)]
    if len(rows) > ROWS:
        left_out = f'<tr><td class="m" colspan="6">and {plural(len(rows) - ROWS, "more place")}</td></tr>'
        rows[ROWS - 1 : -1] = [left_out]
    heading = "".join(
        f"<th{rest}>{words}</th>"
        for words, rest in (("newest first", ""), ("", ""), *((word, ' class="n"') for word in HEADINGS))
    )
    return f'<table class="places"><thead><tr>{heading}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def place(where: str, group: list[Place], share: float, last: bool) -> str:
    note = "bottom" if last else ""
    records, deleted = count(sum(level["records"] for level in group)), count(deletions(group))
    if group[0]["kind"] == "values":
        note, records, deleted = f"{listing.garbage(group):.0%} garbage", "", ""
    note = f' <span class="m">{note}</span>' if note else ""
    numbers = (size(sum(level["bytes"] for level in group)), count(len(group)), records, deleted)
    cells = "".join(f'<td class="n">{number}</td>' for number in numbers)
    step = 4 if group[0]["kind"] == "table" else 2
    return f'<tr><td>{html.text(where)}{note}</td><td class="b">{bar([(step, share)])}</td>{cells}</tr>'


def tile(title: str, figure: str, *rest: str) -> str:
    return f'<div class="tile"><small>{title}</small><strong>{figure}</strong>{"".join(rest)}</div>'


def small(words: str) -> str:
    return f"<small>{words}</small>"


def written(stats: dict[str, int]) -> str:
    factor, causes = facts.write_amplification(stats), facts.written(stats)
    if factor is None:
        return tile("write amplification", "–", small("nothing written since it was opened"))
    whole, order = sum(causes.values()), list(facts.CAUSES)
    shown = bar([(step_of(order.index(cause)), amount / whole) for cause, amount in causes.items()])
    words = "".join(
        f'<span><i class="sw h{step_of(order.index(cause))}"></i>{cause} {size(amount)}</span>'
        for cause, amount in causes.items()
    )
    return tile(
        "write amplification",
        f"{factor:.1f}x",
        shown,
        f'<small class="legend">{words}</small>',
        small(f"for {size(stats['user_bytes'])} of keys and values"),
    )


def step_of(at: int) -> int:
    return 4 - at


def space(levels: list[dict[str, Any]]) -> str:
    held, amplified = sum(level["bytes"] for level in levels), facts.space_amplification(levels)
    values = listing.values_of(levels)
    if not amplified:
        return tile("space", size(held), small("nothing in a run yet"))
    factor, bottom = amplified
    return tile(
        "space amplification",
        f"at most {factor:.1f}x",
        bar([(4, bottom / held), (2, 1 - bottom / held)]),
        small(f"{size(held)} in {plural(len(levels), 'file')}"),
        small(f"{size(bottom)} of it in the bottom run{' and its values' if values else ''}"),
        *([small(listing.value_words(values))] if values else []),
    )


def asked(levels: list[dict[str, Any]], stats: dict[str, int]) -> str:
    return tile(
        "a get asks",
        f"at most {plural(facts.places(levels), 'place')}",
        small(f"{plural(stats['gets'], 'get')} so far, {count(stats['gets_missed'])} of absent keys"),
    )


def chosen(options: dict[str, Any]) -> str:
    names = [name for name in OPTIONS if name in options]
    if options.get("durability") == "interval":
        names.insert(1, "sync_interval_ms")
    said = "".join(
        f'<span><span class="m">{name}</span> {html.text(value(name, options[name]))}</span>' for name in names
    )
    return f'<div class="options">{said}</div>'


def value(name: str, chosen: object) -> str:
    return size(chosen) if name.endswith("_bytes") and isinstance(chosen, int) else str(chosen)
