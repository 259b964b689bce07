"""The path of one get, as lines."""

from lsmkv.report.levels import file_name, place
from lsmkv.report.numbers import plural
from lsmkv.report.text import columns, escape


def lines(key, found, probes):
    """probes: dicts with kind, run, number, verdict, lines, records; newest place first."""
    rows = []
    for step, probe in enumerate(probes, 1):
        cost = f"{plural(probe['lines'], 'line')}, {plural(probe['records'], 'record')} read"
        rows.append([f"{step}.", place(probe), file_name(probe), probe["verdict"], cost])
    answer = "is there" if found else "is not there"
    asked = plural(len(probes), "place")
    return [f"get {escape(key, 60)}: {answer}; {asked} asked, newest first", *columns(rows, "><<<<")]
