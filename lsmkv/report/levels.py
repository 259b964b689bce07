"""The levels of a store: where its records live, newest first.

A level here is a dict with the fields of the objects in `LSM.levels`; see `plain()`.
"""

from lsmkv.report.numbers import count, lsn, plural, size
from lsmkv.report.text import columns, escape

FIELDS = "kind run number bytes records tombstones range_deletes lsn_min lsn_max key_min key_max".split()
SUFFIX = {"memtable": "log", "segment": "log", "table": "tbl"}


def plain(level):
    return {name: getattr(level, name) for name in FIELDS}


def file_name(level):
    return f"{level['number']:06}.{SUFFIX[level['kind']]}"


def place(level):
    return (
        f"run {level['run']}" if level["kind"] == "table" else {"memtable": "MemTable", "segment": "L0"}[level["kind"]]
    )


def table(levels, key_width=28):
    """One line a file, as a list of lines."""
    rows, before = [], None
    for level in levels:
        where = place(level)
        span = key_span(level, key_width)
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


def key_span(level, width):
    """The smallest and the largest key; nothing for a log segment that has not been sorted yet."""
    if not level["key_max"]:
        return ""
    return f"{escape(level['key_min'], width)} .. {escape(level['key_max'], width)}"


def tree(levels):
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


def grouped(levels):
    """[(place, its levels)], in order."""
    groups: list[tuple[str, list[dict[str, object]]]] = []
    for level in levels:
        where = place(level)
        if groups and groups[-1][0] == where:
            groups[-1][1].append(level)
        else:
            groups.append((where, [level]))
    return groups


def to_json(level):
    """Keys as text, positions as segment:offset."""
    document = dict(level, file=file_name(level))
    document["lsn_min"], document["lsn_max"] = lsn(level["lsn_min"]), lsn(level["lsn_max"])
    document["key_min"], document["key_max"] = escape(level["key_min"]), escape(level["key_max"])
    return document
