"""A line as words, quoted as in a shell.

put  'two words'  "it's"  a\\ b  ''        five words: put, two words, it's, a b, and the empty one
"""

from __future__ import annotations

QUOTING = frozenset("'\"\\")


def split(line: str) -> list[str]:
    """The words of a line of text. ValueError says which quote is missing."""
    if QUOTING.isdisjoint(line):  # nearly always, and much faster
        return [word for word in line.replace("\t", " ").replace("\r", " ").replace("\n", " ").split(" ") if word]
    import shlex

    try:
        return shlex.split(line)
    except ValueError as error:
        wanted = "a quote is not closed" if "quotation" in str(error) else "a backslash ends the line"
        raise ValueError(wanted) from None
