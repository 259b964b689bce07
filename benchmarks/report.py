"""Figures of several rounds as tables: medians, the spread, and how far the best peer is behind lsmkv."""

import json
import statistics

FIRST = 36  # characters of the first column


class Results:
    """Figures by table, row and column, one for each round; and what else was told about a column."""

    def __init__(self):
        self.figures, self.told = {}, {}

    def add(self, table, row, column, figure):
        self.figures.setdefault(table, {}).setdefault(row, {}).setdefault(column, []).append(figure)

    def tell(self, column, facts):
        for name, fact in facts.items():
            self.told.setdefault(column, {}).setdefault(name, []).append(fact)

    def save(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"figures": self.figures, "told": self.told}, indent=1))


def shown(figure):
    if figure >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if figure >= 10 else f"{figure:.2f}"


def cell(figures):
    """Median, and how far the rounds lie apart: 530 ±4%."""
    middle = statistics.median(figures)
    spread = (max(figures) - min(figures)) / 2 / middle if middle else 0
    return f"{shown(middle)} ±{spread:.0%}" if len(figures) > 1 else shown(middle)


def markdown(columns, rows):
    """Lines of a table that reads as text and as markdown."""
    widths = [max(len(line[at]) for line in [columns, *rows]) for at in range(len(columns))]
    widths[0] = max(widths[0], FIRST)

    def line(cells):
        return "| " + " | ".join(text.ljust(width) for text, width in zip(cells, widths, strict=True)) + " |"

    return [line(columns), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)]


def is_peer(column):
    return not column.startswith("lsmkv") and column != "dict"


def table(rows):
    """A table of the figures; where lsmkv is a column, with the best peer divided by it."""
    columns = list(dict.fromkeys(column for figures in rows.values() for column in figures))
    compared = "lsmkv" in columns and any(map(is_peer, columns))
    lines = []
    for row, figures in rows.items():
        cells = [row, *(cell(figures[column]) if column in figures else "-" for column in columns)]
        if compared:
            cells += ratio({name: statistics.median(each) for name, each in figures.items()})
        lines.append(cells)
    return markdown(["", *columns, *(["best peer / lsmkv", "best peer"] if compared else [])], lines)


def ratio(medians):
    peers = {name: figure for name, figure in medians.items() if is_peer(name)}
    if not peers or not medians.get("lsmkv"):
        return ["-", "-"]
    best = min(peers, key=peers.get)
    return [f"{peers[best] / medians['lsmkv']:.2f}", best]


def words(told):
    """What was told in words, a line for each column."""
    said = {
        column: [each[-1] for each in facts.values() if isinstance(each[-1], str)] for column, facts in told.items()
    }
    return [f"- {column}: {', '.join(filter(None, parts))}" for column, parts in said.items()]


def numbers(told):
    """What was told in numbers, as a table."""
    rows = {}
    for column, facts in told.items():
        for name, values in facts.items():
            if not isinstance(values[-1], str):
                rows.setdefault(name, {})[column] = values
    lines = []
    for name, figures in rows.items():
        lines.append([name, *(shown(statistics.median(figures[column])) for column in told)])
    return markdown(["", *told], lines)


def text(results):
    lines = []
    for name, rows in results.figures.items():
        lines += ["", name, "", *table(rows)]
    if results.told:
        lines += ["", "what the stores left", "", *numbers(results.told), "", *words(results.told)]
    return "\n".join(lines)
