"""The path of one get: every place that is asked, newest first, with its verdict and what it cost.

`Explanation` is what `LSM.explain` answers. `lines` works on dicts with the fields of a Probe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lsmkv import _core
from lsmkv.report.levels import file_name, place
from lsmkv.report.numbers import plural, size
from lsmkv.report.text import at_most, columns, escape

Step = Mapping[str, Any]

FIELDS = ("kind", "run", "number", "verdict", "lines", "records", "pages", "unpacked", "layout")
KEY_CHARS = 60
STEPS = (120, 60, 20)  # a path that is longer is cut


class Explanation(list[_core.Probe]):
    """A list of Probe, newest place first, that can be looked at: print it, or show it in a notebook."""

    def __init__(self, probes: Iterable[_core.Probe] = (), key: object = b"") -> None:
        super().__init__(probes)
        self.key = key

    @property
    def found(self) -> bool | None:
        """Whether the key is there; None when that cannot be told without reading a file."""
        if any(probe.verdict == "not verified yet" for probe in self):
            return None
        return bool(self) and self[-1].verdict == "value"

    def __repr__(self) -> str:
        try:
            return "\n".join(at_most(lines(self.key, self.found, [plain(probe) for probe in self]), STEPS[1]))
        except Exception:  # somebody has put other things into the list
            return list.__repr__(self)

    def _repr_html_(self) -> str:
        from lsmkv.report import html, path

        try:
            return html.fitting(lambda most: path.drawn(self, most), STEPS)
        except Exception:
            return html.plain(repr(self)[: html.LIMIT // 8])


def plain(probe: _core.Probe) -> dict[str, Any]:
    return {name: getattr(probe, name) for name in FIELDS}


# ---- text -----------------------------------------------------------------------------------


def cost(step: Step) -> str:
    read = f"{plural(step['lines'], 'line')}, {plural(step['records'], 'record')} read"
    unpacked = f", {size(step['unpacked'])} of {plural(step['pages'], 'page')} unpacked" if step["pages"] else ""
    return ("filter: " if step["layout"] == "filter" else "") + read + unpacked


def file_of(step: Step) -> str:
    return file_name(step) if step["number"] else ""  # no table of a run spans the key


def answer(found: bool | None) -> str:
    return {True: "is there", False: "is not there", None: "may be there: a get has to read more"}[found]


def shown(key: object) -> str:
    """The key that was asked for: bytes, or whatever a codec takes."""
    return (
        escape(key if isinstance(key, bytes) else repr(key).encode("utf-8", "backslashreplace"), KEY_CHARS) or "(empty)"
    )


def lines(key: object, found: bool | None, probes: Sequence[Step], name: str | None = None) -> list[str]:
    """The path as lines. name: how the key is shown, where it is not as it is."""
    rows = [[f"{at}.", place(step), file_of(step), step["verdict"], cost(step)] for at, step in enumerate(probes, 1)]
    asked = plural(len(probes), "place")
    return [f"get {name or shown(key)}: {answer(found)}; {asked} asked, newest first", *columns(rows, "><<<<")]
