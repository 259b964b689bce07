"""Colours: CSS custom properties with fallbacks, for light and dark.

    inside Jupyter      its own --jp-* variables, and whether its theme is light
    inside VS Code      which of its themes is on
    anywhere else       prefers-color-scheme

What is coloured by a quantity has one of five classes, h0 (least) to h4 (most); each has an ink that can be read on
it. Everything is scoped below the class `lsmkv`.
"""

from __future__ import annotations

Palette = dict[str, str]

STEPS = 5

LIGHT: Palette = {
    "bg": "#ffffff",
    "ink": "#1b2430",
    "muted": "#566274",
    "line": "#d3dae3",
    "panel": "#f3f6f9",
    "good": "#1a7f4b",
    "warn": "#a8480b",
    "info": "#2a67a8",
}
DARK: Palette = {
    "bg": "#12161c",
    "ink": "#e6eaf0",
    "muted": "#a0abba",
    "line": "#39424f",
    "panel": "#1c222b",
    "good": "#5fcf96",
    "warn": "#f3a35c",
    "info": "#7fb8f0",
}
# Which colours a notebook says itself. Its greys are translucent, so only what is drawn on its own background.
JUPYTER = {"bg": "--jp-layout-color0", "ink": "--jp-content-font-color1"}

HEAT = {
    "size": {
        "light": ("#e1ecf8", "#bcd7f0", "#8dbae5", "#5c9ad5", "#2e6fb2"),
        "dark": ("#1f2e41", "#274567", "#315e8f", "#4585c4", "#7ab4ec"),
    },
    "age": {
        "light": ("#eee7f8", "#d6c6ee", "#b79ddf", "#8460bd", "#5b3797"),
        "dark": ("#2d2640", "#473869", "#634d96", "#9779d0", "#c4abf3"),
    },
    "tombstones": {
        "light": ("#e4e9ef", "#fbe0c3", "#f6b87d", "#e0803a", "#a2420c"),
        "dark": ("#28303b", "#553a24", "#87501f", "#d9873f", "#fcc28a"),
    },
}
INKS = ("#0c1420", "#ffffff")

FONT = "var(--jp-ui-font-family,system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif)"
CODE = "var(--jp-code-font-family,ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace)"


def luminance(colour: str) -> float:
    """How bright #rrggbb is to the eye: 0 to 1 (WCAG 2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """1 (none) to 21; text wants 4.5."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def ink_on(colour: str) -> str:
    return max(INKS, key=lambda ink: contrast(ink, colour))


def variables(palette: Palette, heat: tuple[str, ...], *, follow: bool) -> str:
    """The declarations of one theme. follow: what Jupyter says goes first."""
    said = [
        f"--lsmkv-{name}:var({JUPYTER[name]},{colour})" if follow and name in JUPYTER else f"--lsmkv-{name}:{colour}"
        for name, colour in palette.items()
    ]
    for step, colour in enumerate(heat):
        said += [f"--lsmkv-h{step}:{colour}", f"--lsmkv-i{step}:{ink_on(colour)}"]
    return ";".join(said)


def css(heat: str = "size", theme: str | None = None) -> str:
    """The variables, and what every picture shares. theme: "light" or "dark" whatever the reader prefers."""
    light, dark = (
        variables(palette, HEAT[heat][name], follow=theme is None)
        for palette, name in ((LIGHT, "light"), (DARK, "dark"))
    )
    # Pictures coloured by different quantities may stand on one page.
    scope = f".lsmkv-{heat}"
    if theme is not None:
        return f"{scope}{{{light if theme == 'light' else dark}}}" + steps()
    return (
        f"{scope}{{{light};color-scheme:light}}"
        f"@media (prefers-color-scheme:dark){{{scope}{{{dark};color-scheme:dark}}}}"
        f"body[data-jp-theme-light=true] {scope},body.vscode-light {scope}{{{light};color-scheme:light}}"
        f"body[data-jp-theme-light=false] {scope},body.vscode-dark {scope},body.vscode-high-contrast {scope}"
        f"{{{dark};color-scheme:dark}}" + steps()
    )


def steps() -> str:
    """SVG shapes and HTML swatches of the five classes."""
    return "".join(
        f".lsmkv .h{step}{{fill:var(--lsmkv-h{step});background:var(--lsmkv-h{step})}}"
        f".lsmkv .i{step}{{fill:var(--lsmkv-i{step})}}"
        for step in range(STEPS)
    )
