"""The key-range map: one row a run, one rectangle a table, newest on top.

                  +--------------------------------------------+
    MemTable      | 27 records in no order yet                 |
                  +--------------------------------------------+
    run 1         [======== 31 ========]   [====== 32 ======]
    run 2, bottom [== 19 ==][== 20 ==][== 21 ==][== 22 ==][23]
                  |              |              |            |
                  user:00026     user:01137     ...

`rows` says what there is to draw, `picture` draws it. Neighbours too narrow to be told apart are drawn as one
rectangle; so are more of them when there are more than `most` rectangles, and the picture says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from lsmkv.report import svg, theme
from lsmkv.report.axis import Axis, Place, common_prefix
from lsmkv.report.heat import Heat, deletions, percent
from lsmkv.report.levels import file_name, garbage, place, values_of
from lsmkv.report.numbers import count, plural, size
from lsmkv.report.text import cut, escape, key, split

WIDTH, LEFT, RIGHT = 760, 128, 12
PLOT = WIDTH - LEFT - RIGHT
TOP, ROW, GAP = 8, 34, 8
NARROW = 2.5  # pixels
ROWS = 24
TICK_CHARS = 17
MARGIN = 12
TICK = 126  # pixels from one named key to the next
TITLE_CHARS = 48

STYLE = (
    ".lsmkv-map{max-width:100%;height:auto;display:block}"
    f".lsmkv-map text{{font-family:{theme.FONT};font-size:11px;fill:var(--lsmkv-ink)}}"
    f".lsmkv-map .k{{font-family:{theme.CODE};font-size:10.5px;unicode-bidi:isolate}}"
    ".lsmkv-map .p{font-size:12px;font-weight:600}"
    ".lsmkv-map .m{fill:var(--lsmkv-muted);font-size:10.5px}"
    ".lsmkv-map .s{stroke:var(--lsmkv-ink);stroke-opacity:.3}"
    ".lsmkv-map .l{fill:var(--lsmkv-panel);stroke:var(--lsmkv-muted);stroke-dasharray:4 3}"
    ".lsmkv-map .g{stroke:var(--lsmkv-line)}"
    ".lsmkv-map g:hover>.s{stroke-opacity:1}"
)
PAPER = ".lsmkv-map .paper{fill:var(--lsmkv-bg)}"


@dataclass
class Block:
    """One rectangle: a table, or neighbours in a run."""

    tables: list[Place]
    left: float
    right: float


@dataclass
class Row:
    """log: a segment, which has no key range, and so no blocks."""

    label: str
    note: str
    blocks: list[Block]
    log: Place | None = None


# ---- what there is to draw ------------------------------------------------------------------


def rows(levels: Sequence[Place], axis: Axis, most: int) -> list[Row]:
    made = [log_row(level) for level in levels if level["kind"] != "table"]
    tables = [level for level in levels if level["kind"] == "table"]
    made += [run_row(list(run), axis) for _, run in groupby(tables, key=lambda table: table["run"])]
    if tables:
        made[-1].label += ", bottom"
    made = folded(made)
    least = NARROW / PLOT
    join(made, least)
    while sum(len(row.blocks) for row in made) > most and least < 1:
        least *= 1.5
        join(made, least)
    return made


def log_row(level: Place) -> Row:
    return Row(place(level), f"{file_name(level)}, {size(level['bytes'])}", [], level)


def run_row(tables: list[Place], axis: Axis) -> Row:
    blocks = [Block([table], axis[table["key_min"]], axis[table["key_max"]]) for table in tables]
    held = sum(table["bytes"] for table in tables)
    return Row(place(tables[0]), f"{plural(len(tables), 'table')}, {size(held)}", blocks)


def folded(made: list[Row]) -> list[Row]:
    """At most ROWS of them: those in the middle become one."""
    if len(made) <= ROWS:
        return made
    first, last = made[: ROWS // 2], made[-(ROWS // 2 - 1) :]
    middle = made[len(first) : -len(last)]
    blocks = [block for row in middle for block in row.blocks]
    tables = [table for block in blocks for table in block.tables]
    if blocks:
        blocks = [Block(tables, min(block.left for block in blocks), max(block.right for block in blocks))]
    return [*first, Row(f"{len(middle):,} more rows", plural(len(tables), "table"), blocks), *last]


def join(made: list[Row], least: float) -> None:
    for row in made:
        row.blocks = joined(row.blocks, least)


def joined(blocks: list[Block], least: float) -> list[Block]:
    """Neighbours that together are no wider than `least` become one."""
    made: list[Block] = []
    for block in blocks:
        if made and block.right - made[-1].left <= least:
            made[-1].tables += block.tables
            made[-1].right = max(made[-1].right, block.right)
        else:
            made.append(Block(list(block.tables), block.left, block.right))
    return made


# ---- drawing --------------------------------------------------------------------------------


def picture(
    levels: Sequence[Place], *, color: str = "size", most: int = 240, paper: bool = False, theme_name: str | None = None
) -> str:
    """The map as one <svg>. paper: with colours and a background of its own, so that it can stand alone."""
    values = values_of(levels)
    levels = [level for level in levels if level["kind"] != "values"]
    heat = Heat(color, levels)
    axis = Axis(level for level in levels if level["kind"] == "table")
    made = rows(levels, axis, most)
    bottom = TOP + len(made) * (ROW + GAP)
    ticks, prefix = ticked(axis)
    parts = [grid(axis, ticks, bottom)]
    parts += [row_drawn(row, TOP + at * (ROW + GAP), heat) for at, row in enumerate(made)]
    parts += [tick_words(axis, ticks, prefix, bottom + 14)]
    height = bottom + (24 if ticks else 4)
    for line in notes(made, prefix, bool(ticks), values):
        height += 16
        parts.append(svg.words(LEFT, height - 6, line, class_="m"))
    height += 28
    parts.append(legend(heat, height - 14))
    margin = MARGIN if paper else 0
    if paper:
        parts.insert(0, svg.rect(-margin, -margin, WIDTH + 2 * margin, height + 2 * margin, class_="paper"))
    style = theme.css(color, theme_name) + STYLE + PAPER if paper else ""
    class_ = f"lsmkv lsmkv-{color} lsmkv-map" if paper else "lsmkv-map"
    told = f"Key ranges of {plural(len(levels), 'file')} in {plural(len(made), 'row')}, newest on top"
    return svg.document("".join(parts), WIDTH, height, label=told, class_=class_, style=style, margin=margin)


def row_drawn(row: Row, y: int, heat: Heat) -> str:
    label = svg.words(0, y + 15, row.label, class_="p") + svg.words(0, y + 29, row.note, class_="m")
    if row.log:
        return label + log_drawn(row.log, y, heat)
    return label + "".join(block_drawn(row, block, y, heat) for block in row.blocks)


def log_drawn(log: Place, y: int, heat: Heat) -> str:
    told = f"{contents([log])}, in no order yet: any key may be here" if log["records"] else "empty"
    return svg.group(
        svg.rect(LEFT, y, PLOT, ROW, rx=3, class_="l")
        + svg.rect(LEFT, y, 8, ROW, rx=2, class_=f"h{heat.step([log])}")
        + svg.words(LEFT + 18, y + 21, told),
        title=f"{file_name(log)}, {place(log)}\n{contents([log])}\n{size(log['bytes'])}\n{age_words(heat, [log])}",
    )


def block_drawn(row: Row, block: Block, y: int, heat: Heat) -> str:
    left, width = LEFT + block.left * PLOT, max((block.right - block.left) * PLOT, 2.0)
    left = min(left, WIDTH - RIGHT - 2.0)
    step = heat.step(block.tables)
    drawn = svg.rect(left, y, width, ROW, rx=3 if width > 8 else None, class_=f"s h{step}")
    name = f"{block.tables[0]['number']:06}" if len(block.tables) == 1 else f"{len(block.tables):,} tables"
    value = heat.value(block.tables)
    lines = next((lines for lines in ([name, value], [value]) if max(map(len, lines)) * 6.3 + 6 <= width), [])
    for at, words in enumerate(lines):
        middle = y + ROW / 2 + 4 + (at * 2 - len(lines) + 1) * 6.5
        drawn += svg.words(left + width / 2, middle, words, class_=f"i{step}", text_anchor="middle")
    return svg.group(drawn, title=block_title(row, block, heat))


def block_title(row: Row, block: Block, heat: Heat) -> str:
    tables = block.tables
    low, high = min(table["key_min"] for table in tables), max(table["key_max"] for table in tables)
    name = file_name(tables[0])
    if len(tables) > 1:
        name = f"{plural(len(tables), 'table')}, {name} to {file_name(tables[-1])}"
    return "\n".join(
        (
            f"{name}, {row.label}",
            f"{key(low, TITLE_CHARS)} .. {key(high, TITLE_CHARS)}",
            contents(tables),
            size(sum(table["bytes"] for table in tables)),
            age_words(heat, tables),
        )
    )


def contents(places: Sequence[Place]) -> str:
    records, deleted = sum(place["records"] for place in places), deletions(places)
    return plural(records, "record") + (
        f", {plural(deleted, 'deletion')} ({percent(deleted, records)})" if deleted else ""
    )


def age_words(heat: Heat, places: Sequence[Place]) -> str:
    age = heat.age(places)
    return f"newest record {plural(age, 'log segment')} ago" if age else "newest record in the newest log segment"


# ---- axis, notes, legend --------------------------------------------------------------------


def ticked(axis: Axis) -> tuple[list[bytes], bytes]:
    """The keys to be named, and what they all begin with when they are too long to be shown whole."""
    ticks = axis.ticks(TICK / PLOT)
    if len(ticks) < 2 or all(len(key(tick, TITLE_CHARS)) <= TICK_CHARS for tick in ticks):
        return ticks, b""
    prefix = common_prefix([ticks[0][:-1], ticks[-1]])
    while prefix and len(prefix) < len(ticks[-1]) and ticks[-1][len(prefix)] & 0xC0 == 0x80:
        prefix = prefix[:-1]  # not in the middle of a character
    return ticks, prefix if len(split(prefix)[1]) > 3 else b""


def grid(axis: Axis, ticks: list[bytes], bottom: int) -> str:
    return "".join(
        svg.line(LEFT + axis[tick] * PLOT, TOP, LEFT + axis[tick] * PLOT, bottom, class_="g") for tick in ticks
    )


def tick_words(axis: Axis, ticks: list[bytes], prefix: bytes, y: int) -> str:
    said = []
    for at, tick in enumerate(ticks):
        words = f"…{escape(tick[len(prefix) :], TICK_CHARS - 1)}" if prefix else cut(key(tick, TICK_CHARS), TICK_CHARS)
        anchor = "middle" if 0 < at < len(ticks) - 1 else "start" if at == 0 else "end"
        said.append(svg.words(LEFT + axis[tick] * PLOT, y, words, class_="k", text_anchor=anchor))
    return "".join(said)


def notes(made: list[Row], prefix: bytes, has_axis: bool, values: Sequence[Place]) -> list[str]:
    said = []
    if prefix:
        said.append(f"… stands for {key(prefix, 60)}")
    if has_axis:
        said.append("Left to right: keys in order; the axis is wider where more records lie.")
    drawn = sum(len(row.blocks) for row in made)
    there = sum(len(block.tables) for row in made for block in row.blocks)
    if there > drawn:
        said.append(f"{count(there)} tables are drawn as {plural(drawn, 'rectangle')}: neighbours are put together.")
    if values:
        held = f"{plural(len(values), 'value file')}, {size(sum(file['bytes'] for file in values))}"
        said.append(f"Not drawn: {held}, {garbage(values):.0%} garbage.")
    return said


def legend(heat: Heat, y: int) -> str:
    title, classes = heat.legend()
    parts, x = [svg.words(LEFT, y + 9, f"Colour: {title}", class_="m")], LEFT + 64 + len(title) * 5.3
    for step, said in classes:
        parts.append(svg.rect(x, y, 12, 12, rx=2, class_=f"s h{step}") + svg.words(x + 17, y + 10, said, class_="m"))
        x += 30 + len(said) * 5.6
    return "".join(parts)
