"""The levels of a store: where its records live, newest first, and after them the files of large values.

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
    *("codec", "record_bytes", "stored_bytes", "layout", "value_bytes"),
)
SUFFIX = {"memtable": "log", "segment": "log", "table": "tbl", "values": "val"}
PLACES = {"memtable": "MemTable", "segment": "L0", "values": "values"}
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
    files = values_of(levels)
    return (
        f"{plural(len(levels), 'file')}, newest on top: {size(held['bytes'])}, {plural(held['records'], 'record')}, "
        f"{plural(held['tombstones'] + held['range_deletes'], 'deletion')} among them"
        + (f"; {value_words(files)}" if files else "")
    )


def values_of(levels: Sequence[Place]) -> list[Place]:
    """The files of large values."""
    return [level for level in levels if level["kind"] == "values"]


def garbage(files: Sequence[Place]) -> float:
    """The share of value files that no record refers to, or only what older readers see."""
    held = sum(file["bytes"] for file in files)
    return 1 - sum(file["value_bytes"] for file in files) / held if held else 0.0


def value_words(files: Sequence[Place]) -> str:
    """All value files in a few words."""
    held = sum(file["bytes"] for file in files)
    return f"{size(held)} of it in {plural(len(files), 'value file')}, {garbage(files):.0%} garbage"


def file_name(level: Place) -> str:
    return f"{level['number']:06}.{SUFFIX[level['kind']]}"


def place(level: Place) -> str:
    return f"run {level['run']}" if level["kind"] == "table" else PLACES[level["kind"]]


def table(levels: Sequence[Place], key_width: int = 28, show: ShowKey = key) -> list[str]:
    """One line a file, as a list of lines."""
    rows, before = [], None
    for level in levels:
        where = place(level)
        shown = "" if where == before and where != "L0" else where
        rows.append([shown, file_name(level), size(level["bytes"]), *contents(level, key_width, show)])
        before = where
    heading = ["place", "file", "size", "records", "deletions", "keys"]
    return columns(rows, "<<>>><", heading) if rows else ["  (nothing stored yet)"]


def contents(level: Place, key_width: int, show: ShowKey) -> list[str]:
    """Records, deletions and keys, or what there is to say of a value file."""
    if level["kind"] == "values":
        return ["", "", f"{size(level['value_bytes'])} live, {garbage([level]):.0%} garbage"]
    ranges = f" + {plural(level['range_deletes'], 'range')}" if level["range_deletes"] else ""
    return [count(level["records"]), count(level["tombstones"]) + ranges, key_span(level, key_width, show)]


def values(files: Sequence[Place]) -> list[str]:
    """One line a value file, as a list of lines; none for none."""
    rows = [
        [file["number"], count(file["bytes"]), count(file["value_bytes"]), f"{garbage([file]):.0%}"] for file in files
    ]
    return columns(rows, ">>>>", ["values", "bytes", "live", "garbage"], indent="") if rows else []


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
        held = [count(total["records"]), count(total["tombstones"])]
        if where == PLACES["values"]:
            held = [f"{garbage(group):.0%} garbage", ""]
        rows.append([where, files, size(total["bytes"]), *held])
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
    """Keys as text, positions as segment:offset. The keys of what is not sorted, or has no records, are None."""
    document = dict(level, file=file_name(level))
    document["lsn_min"], document["lsn_max"] = lsn(level["lsn_min"]), lsn(level["lsn_max"])
    sorted_keys = level["kind"] == "table" and level["records"]
    for name in ("key_min", "key_max"):
        document[name] = show(level[name], None) if sorted_keys else None
    return document
