"""Presentation in plain text: pure functions from numbers, dicts and bytes to strings."""
