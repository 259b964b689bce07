"""SVG from Python: elements as strings, numbers short, text escaped."""

from __future__ import annotations

from lsmkv.report.html import text


def number(value: float) -> str:
    """Tenths of a pixel are enough."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


def attributes(names: dict[str, object]) -> str:
    """class_ is class, text_anchor is text-anchor; None is left out."""
    said = []
    for name, value in names.items():
        if value is not None:
            shown = number(value) if isinstance(value, float) else text(str(value))
            said.append(f' {name.rstrip("_").replace("_", "-")}="{shown}"')
    return "".join(said)


def rect(x: float, y: float, width: float, height: float, **rest: object) -> str:
    return f"<rect{attributes({'x': x, 'y': y, 'width': width, 'height': height, **rest})}/>"


def line(x1: float, y1: float, x2: float, y2: float, **rest: object) -> str:
    return f"<line{attributes({'x1': x1, 'y1': y1, 'x2': x2, 'y2': y2, **rest})}/>"


def words(x: float, y: float, said: str, **rest: object) -> str:
    return f"<text{attributes({'x': x, 'y': y, **rest})}>{text(said)}</text>"


def group(parts: str, title: str | None = None, **rest: object) -> str:
    """title: what a pointer that rests on it shows."""
    told = f"<title>{text(title)}</title>" if title else ""
    return f"<g{attributes(rest)}>{told}{parts}</g>"


def document(parts: str, width: int, height: int, *, label: str, class_: str, style: str = "", margin: int = 0) -> str:
    """A picture that may stand alone or inside HTML."""
    left, width, height = -margin, width + 2 * margin, height + 2 * margin
    styled = f"<style>{style}</style>" if style else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left} {left} {width} {height}" width="{width}" '
        f'height="{height}" class="{class_}" role="img" aria-label="{text(label)}">{styled}{parts}</svg>'
    )
