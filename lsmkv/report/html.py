"""HTML of a notebook's output: a style of its own, the picture, and plain text where styles are taken away.

No script, nothing from outside, at most LIMIT bytes. A notebook that is not trusted loses the style: then the text is
what remains, because the picture starts hidden and only the style shows it.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable

from lsmkv.report import theme

LIMIT = 64 * 1024

# Notebooks have ideas about tables: a fixed layout, right alignment, stripes. Three classes outweigh them.
TABLES = ".lsmkv.lsmkv.lsmkv"

BASE = (
    f".lsmkv{{font:13px/1.45 {theme.FONT};color:var(--lsmkv-ink);background:var(--lsmkv-bg);"
    "max-width:784px;text-align:left;padding:6px 12px;border-radius:6px}"
    ".lsmkv *{box-sizing:border-box}"
    ".lsmkv .lsmkv-plain{display:none}.lsmkv .lsmkv-body{display:block!important}"
    f".lsmkv .k{{font-family:{theme.CODE};font-size:.93em;unicode-bidi:isolate;overflow-wrap:anywhere}}"
    ".lsmkv .m{color:var(--lsmkv-muted)}"
    f"{TABLES} table{{border-collapse:collapse;table-layout:auto;width:100%;margin:0;font-size:inherit;"
    "color:inherit;border:0}"
    f"{TABLES} :is(thead,tbody,tr){{background:transparent;border:0}}"
    f"{TABLES} :is(td,th){{padding:3px 12px 3px 0;text-align:left;border:0;vertical-align:middle;line-height:inherit;"
    "white-space:nowrap;max-width:none;background:transparent}"
    f"{TABLES} th{{font-weight:400;color:var(--lsmkv-muted);font-size:.88em}}"
    f"{TABLES} :is(td,th).n{{text-align:right;font-variant-numeric:tabular-nums}}"
    f"{TABLES} .n:last-child{{padding-right:0}}"
)


def text(words: str) -> str:
    """Words as they may stand anywhere in HTML or XML. Bytes come here from text.escape, so they are printable."""
    return html.escape(words, quote=True)


def frame(body: str, plain: str, *, css: str = "", heat: str = "size") -> str:
    """One output. plain: the same as text."""
    style = theme.css(heat) + BASE + css
    return (
        f'<div class="lsmkv lsmkv-{heat}"><style>{style}</style><pre class="lsmkv-plain">{text(plain)}</pre>'
        f'<div class="lsmkv-body" style="display:none" hidden="hidden">{body}</div></div>'
    )


def plain(words: str) -> str:
    return f"<pre>{text(words)}</pre>"


def fitting(draw: Callable[[int], str], tries: Iterable[int], limit: int = LIMIT) -> str:
    """draw(n) for the first n whose drawing is small enough: fewer details, until it is. The last is taken as it is."""
    drawn = ""
    for most in tries:
        drawn = draw(most)
        if len(drawn.encode()) <= limit:
            break
    return drawn
