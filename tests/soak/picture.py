"""The measurements of a soak as small multiples over time, one SVG."""

from lsmkv.report import svg

WIDTH, HEIGHT, GAP, LEFT, TOP = 720, 110, 34, 78, 40
STYLE = (
    "text{font:12px system-ui,'DejaVu Sans',sans-serif;fill:#1b2430}.t{font-weight:600}.m{fill:#566274}"
    "path{fill:none;stroke-width:1.4}.a{stroke:#2a67a8}.b{stroke:#a8480b}.f{stroke:#d3dae3;fill:none}"
    ".a text,.ta{fill:#2a67a8}.tb{fill:#a8480b}svg{background:#fff}"
    "@media(prefers-color-scheme:dark){svg{background:#12161c}text{fill:#e6eaf0}.m{fill:#a0abba}"
    ".a{stroke:#7fb8f0}.b{stroke:#f3a35c}.ta{fill:#7fb8f0}.tb{fill:#f3a35c}.f{stroke:#39424f}}"
)


def thinned(rows):
    """At most a row for each two pixels: of every column the most in that time, so that no peak is lost."""
    every = -(-len(rows) // (WIDTH // 2))
    groups = [rows[i : i + every] for i in range(0, len(rows), every)]
    return [{name: max(row[name] for row in group) for name in group[0]} for group in groups]


def per_second(rows, name):
    """How fast a counter rises; one that starts again with a reopened store counts from zero."""
    rates = [0.0]
    for before, after in zip(rows, rows[1:], strict=False):
        rise, seconds = after[name] - before[name], after["second"] - before["second"]
        rates.append(max(rise, 0) / seconds if seconds else 0.0)
    return rates


def panels(rows):
    """(title, unit, {line: values})."""
    mib = 1 << 20
    column = {name: [row[name] for row in rows] for name in rows[0]}
    yield "space", "MiB", {"kept": [n / mib for n in column["kept"]], "live": [n / mib for n in column["live"]]}
    yield "memory", "MiB", {"anonymous": [n / mib for n in column["anonymous"]]}
    yield "to look at", "", {"runs": column["runs"], "sealed segments": column["segments"]}
    yield "writes", "thousand a second", {"writes": [n / 1000 for n in per_second(rows, "done")]}
    yield "writers waiting", "ms a second", {"waiting": [n / 1e6 for n in per_second(rows, "stalled")]}


def path(seconds, values, top, most, last):
    points = []
    for second, value in zip(seconds, values, strict=True):
        x, y = LEFT + second / last * WIDTH, top + HEIGHT - value / most * HEIGHT
        points.append(f"{svg.number(x)},{svg.number(y)}")
    return "M" + "L".join(points)


def panel(rows, at, title, unit, lines):
    top, seconds = TOP + at * (HEIGHT + GAP), [row["second"] for row in rows]
    most = max(max(values) for values in lines.values()) or 1
    parts = [
        svg.rect(LEFT, top, WIDTH, HEIGHT, class_="f"),
        svg.words(LEFT, top - 8, title, class_="t"),
        svg.words(LEFT - 8, top + 10, f"{most:,.0f}", class_="m", text_anchor="end"),
        svg.words(LEFT - 8, top + HEIGHT, "0", class_="m", text_anchor="end"),
        svg.words(LEFT + 150, top - 8, unit, class_="m"),
    ]
    for i, (name, values) in enumerate(lines.items()):
        parts.append(f'<path class="{"ab"[i]}" d="{path(seconds, values, top, most, seconds[-1] or 1)}"/>')
        parts.append(svg.words(LEFT + WIDTH - 130 * i, top - 8, name, class_="t" + "ab"[i], text_anchor="end"))
    return "".join(parts)


def draw(rows, space):
    """The whole picture; space: the bound asked for when the store has settled."""
    writes, rows = rows[-1]["done"], thinned(rows)
    drawn = [panel(rows, at, *each) for at, each in enumerate(panels(rows))]
    minutes = rows[-1]["second"] / 60
    told = f"{minutes:.0f} minutes, {writes:,} writes; the bound when settled: {space} x live, and the log"
    bottom = TOP + len(drawn) * (HEIGHT + GAP)
    drawn.append(svg.words(LEFT, bottom - 12, told, class_="m"))
    return svg.document("".join(drawn), LEFT + WIDTH + 12, bottom, label="a soak over time", class_="soak", style=STYLE)
