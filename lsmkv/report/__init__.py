"""Presentation, as text, HTML and SVG: pure functions from numbers, dicts and bytes to strings."""
