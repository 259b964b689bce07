"""The levels of a store: where its records live, newest first.

`Levels` is what `LSM.levels` answers. The functions work on dicts with the fields of a Level; see `plain()`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lsmkv import _core
from lsmkv.report.numbers import count, lsn, plural, size
from lsmkv.report.text import at_most, columns, escape, key

Place = Mapping[str, Any]
ShowKey = Callable[[bytes, int | None], str]  # a stored key, and how many characters of it at most

FIELDS = (
    *"kind run number bytes records tombstones range_deletes lsn_min lsn_max key_min key_max".split(),
    *("codec", "record_bytes", "stored_bytes", "layout"),
)
SUFFIX = {"memtable": "log", "segment": "log", "table": "tbl"}
LINES = 60  # more are not read by anybody
RECTANGLES = (240, 120, 60, 30, 10)


class Picture(str):
    """An SVG document, to be written to a file; in a notebook it shows itself."""

    def __repr__(self) -> str:
        return f"<SVG document, {len(self):,} characters>"

    def _repr_html_(self) -> str:
        return str(self)


class Levels(list[_core.Level]):
    """A list of Level, newest first, that can be looked at: print it, show it in a notebook, or draw it with svg()."""

    def __repr__(self) -> str:
        try:
            places = [plain(level) for level in self]
            return "\n".join(at_most(table(places) if len(places) <= LINES else tree(places), LINES))
        except Exception:  # somebody has put other things into the list
            return list.__repr__(self)

    def svg(self, color: str = "size", *, theme: str | None = None) -> Picture:
        """The key-range map as an SVG document: one row a run, one rectangle a table, newest on top.

        color: "size" of a file, "age" of its newest record, or "tombstones", the deletions among its records.
        theme: "light" or "dark"; None follows whoever looks at it. At most 64 KiB: neighbours are drawn as one.
        """
        from lsmkv.report import html, keymap

        if theme not in (None, "light", "dark"):
            raise ValueError(f"theme={theme!r}: it is None, 'light' or 'dark'")
        places = [plain(level) for level in self]
        return Picture(
            html.fitting(
                lambda most: keymap.picture(places, color=color, most=most, paper=True, theme_name=theme), RECTANGLES
            )
        )

    def _repr_html_(self) -> str:
        from lsmkv.report import html, keymap

        try:
            places = [plain(level) for level in self]
            plainly = repr(self)
            return html.fitting(
                lambda most: html.frame(
                    f'<div class="m">{html.text(summary(places))}</div>'
                    + (keymap.picture(places, most=most) if places else ""),
                    plainly,
                    css=keymap.STYLE,
                ),
                RECTANGLES,
            )
        except Exception:
            return html.plain(repr(self)[: html.LIMIT // 8])


def plain(level: _core.Level) -> dict[str, Any]:
    return {name: getattr(level, name) for name in FIELDS}


def summary(levels: Sequence[Place]) -> str:
    """All of it in one line."""
    if not levels:
        return "nothing stored yet"
    held = {name: sum(level[name] for level in levels) for name in ("bytes", "records", "tombstones", "range_deletes")}
    return (
        f"{plural(len(levels), 'file')}, newest on top: {size(held['bytes'])}, {plural(held['records'], 'record')}, "
        f"{plural(held['tombstones'] + held['range_deletes'], 'deletion')} among them"
    )


def file_name(level: Place) -> str:
    return f"{level['number']:06}.{SUFFIX[level['kind']]}"


def place(level: Place) -> str:
    return (
        f"run {level['run']}" if level["kind"] == "table" else {"memtable": "MemTable", "segment": "L0"}[level["kind"]]
    )


def table(levels: Sequence[Place], key_width: int = 28, show: ShowKey = key) -> list[str]:
    """One line a file, as a list of lines."""
    rows, before = [], None
    for level in levels:
        where = place(level)
        span = key_span(level, key_width, show)
        deleted = count(level["tombstones"]) + (
            f" + {plural(level['range_deletes'], 'range')}" if level["range_deletes"] else ""
        )
        rows.append(
            [
                "" if where == before and where != "L0" else where,
                file_name(level),
                size(level["bytes"]),
                count(level["records"]),
                deleted,
                span,
            ]
        )
        before = where
    heading = ["place", "file", "size", "records", "deletions", "keys"]
    return columns(rows, "<<>>><", heading) if rows else ["  (nothing stored yet)"]


def tables(levels: Sequence[Place], key_width: int = 28, show: ShowKey = key) -> list[str]:
    """One line a sorted table, as a list of lines."""
    rows = [
        [
            level["run"],
            level["number"],
            count(level["bytes"]),
            count(level["records"]),
            count(level["tombstones"]),
            count(level["range_deletes"]),
            level["layout"],
            level["codec"],
            packing(level),
            key_span(level, key_width, show),
        ]
        for level in levels
    ]
    heading = ["run", "table", "bytes", "records", "tombstones", "ranges", "index", "codec", "pages", "keys"]
    return columns(rows, ">>>>>><<><", heading, indent="") if rows else []


def packing(level: Place) -> str:
    """How large the pages of a table are against the records in them."""
    return f"{level['stored_bytes'] / level['record_bytes']:.0%}" if level["record_bytes"] else ""


def key_span(level: Place, width: int, show: ShowKey) -> str:
    """The smallest and the largest key; nothing for a log segment: it is not sorted."""
    if level["kind"] != "table":
        return ""
    return f"{show(level['key_min'], width)} .. {show(level['key_max'], width)}"


def tree(levels: Sequence[Place]) -> list[str]:
    """One line a place: the whole store at a glance."""
    rows = []
    for where, group in grouped(levels):
        files = plural(len(group), "file")
        total = {name: sum(level[name] for level in group) for name in ("bytes", "records", "tombstones")}
        rows.append([where, files, size(total["bytes"]), count(total["records"]), count(total["tombstones"])])
    return (
        columns(rows, "<>>>>", ["place", "files", "size", "records", "deletions"])
        if rows
        else ["  (nothing stored yet)"]
    )


def grouped(levels: Sequence[Place]) -> list[tuple[str, list[Place]]]:
    """[(place, its levels)], in order."""
    groups: list[tuple[str, list[Place]]] = []
    for level in levels:
        where = place(level)
        if groups and groups[-1][0] == where:
            groups[-1][1].append(level)
        else:
            groups.append((where, [level]))
    return groups


def to_json(level: Place, show: ShowKey = escape) -> dict[str, Any]:
    """Keys as text, positions as segment:offset."""
    document = dict(level, file=file_name(level))
    document["lsn_min"], document["lsn_max"] = lsn(level["lsn_min"]), lsn(level["lsn_max"])
    document["key_min"], document["key_max"] = show(level["key_min"], None), show(level["key_max"], None)
    return document
