"""Files as rows: each reader yields (key, value) as bytes, or a BadLine, in file order.

A reader never raises for what a file contains: the one who asked decides whether a BadLine ends the import.
"""

from __future__ import annotations

import csv
import json
import os

from lsmkv.cli import formats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO, TypeAlias

    Row: TypeAlias = "tuple[bytes, bytes] | BadLine"

KEY_MAX, VALUE_MAX = 65_535, 1 << 30
BY_SUFFIX = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".txt": "txt"}


class BadLine:
    """A line that could not become a pair."""

    def __init__(self, line: int, reason: str) -> None:
        self.line, self.reason = line, reason


class Recipe:
    """What of a row becomes the key and what the value. lineno is the number of the row's first line."""

    def __init__(
        self,
        key: str | None = None,
        value: str | None = None,
        key_format: str = "utf8",
        value_format: str = "utf8",
        key_prefix: bytes = b"",
        header: bool = True,
        encoding: str = "utf-8",
    ) -> None:
        self.key, self.value = key, value
        self.key_format, self.value_format = key_format, value_format
        self.key_prefix, self.header, self.encoding = key_prefix, header, encoding

    def pair(self, row: dict[str, Any], line: int) -> tuple[bytes, bytes]:
        """The pair a row (a dict) makes; ValueError and KeyError say why it makes none."""
        if self.key == "lineno":
            key = formats.parse(self.key_format, str(line))
        else:
            key = self.field(row, self.key or "key", "key", self.key_format)
        if self.value is not None:
            value = self.field(row, self.value, "value", self.value_format)
        elif self.key is None and ("value" in row or "value_base64" in row):
            value = self.field(row, "value", "value", self.value_format)
        else:
            value = formats.dump(row).encode()
        return checked(self.key_prefix + key, value)

    def field(self, row: dict[str, Any], name: str, what: str, name_of_format: str) -> bytes:
        return field(row, name, what, name_of_format, f"; choose one with --{what} FIELD")


def checked(key: bytes, value: bytes) -> tuple[bytes, bytes]:
    if len(key) > KEY_MAX:
        raise ValueError(f"the key has {len(key):,} bytes; {KEY_MAX:,} is the limit")
    if len(value) > VALUE_MAX:
        raise ValueError(f"the value has {len(value):,} bytes; {VALUE_MAX:,} is the limit")
    return key, value


def field(row: dict[str, Any], name: str, what: str, name_of_format: str, hint: str = "") -> bytes:
    """The bytes of a row's field, which name_base64 may stand for. ValueError says why there are none."""
    if name in row:
        return formats.parse(name_of_format, row[name], what)
    if name + "_base64" in row:
        try:
            return formats.from_base64(row[name + "_base64"])
        except (ValueError, TypeError) as error:
            raise ValueError(f"the field '{name}_base64' is not base64: {error}") from None
    there = ", ".join(map(formats.shorten, list(row)[:8])) or "none"
    raise ValueError(f"there is no field '{name}' (there are: {there}){hint}")


def guess(name: str) -> str | None:
    """The format a file's name tells, or None."""
    return BY_SUFFIX.get(os.path.splitext(name)[1].lower())


def rows(form: str, source: BinaryIO, recipe: Recipe) -> Iterator[Row]:
    """(key, value) or BadLine for each row of a binary file."""
    return {"txt": txt, "jsonl": jsonl, "csv": from_csv, "tsv": tsv}[form](source, recipe)


def txt(source: BinaryIO, recipe: Recipe) -> Iterator[Row]:
    """Bytes stay as they are; only the line end (with a carriage return) goes."""
    numbered = recipe.key == "lineno"
    as_number = recipe.key_format if numbered else recipe.value_format
    as_line = recipe.value_format if numbered else recipe.key_format
    plain_number, plain_line = as_number in ("utf8", "raw"), as_line in ("utf8", "raw")
    for number, line in enumerate(source, 1):
        line = line.rstrip(b"\r\n")
        try:
            text = line if plain_line else formats.parse(as_line, line)
            mark = b"%d" % number if plain_number else formats.parse(as_number, str(number))
            key, value = (mark, text) if numbered else (text, mark)
            yield checked(recipe.key_prefix + key, value)
        except ValueError as error:
            yield BadLine(number, str(error))


def jsonl(source: BinaryIO, recipe: Recipe) -> Iterator[Row]:
    for number, line in enumerate(source, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode(recipe.encoding).removeprefix("\ufeff"))
            if not isinstance(row, dict):
                raise ValueError("the line is not a JSON object")
            yield recipe.pair(row, number)
        except json.JSONDecodeError as error:
            yield BadLine(number, f"not JSON: {error.msg} at column {error.colno}")
        except (ValueError, RecursionError) as error:
            yield BadLine(number, wording(error))


class Lines:
    """Text lines of a binary file for csv.reader. A line that cannot be decoded raises once; the next call goes on."""

    def __init__(self, source: BinaryIO, encoding: str) -> None:
        self.source, self.encoding, self.number = iter(source), encoding, 0

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line = next(self.source)
        self.number += 1
        text = line.decode(self.encoding)
        return text.removeprefix("\ufeff") if self.number == 1 else text


def from_csv(source: BinaryIO, recipe: Recipe) -> Iterator[Row]:
    csv.field_size_limit(VALUE_MAX + 1)
    lines = Lines(source, recipe.encoding)
    reader = csv.reader(lines, strict=True)

    def cells() -> Iterator[Any]:
        while True:
            first = lines.number + 1
            try:
                yield first, next(reader)
            except StopIteration:
                return
            except (csv.Error, UnicodeError) as error:
                yield first, wording(error)

    return from_cells(cells(), recipe)


def tsv(source: BinaryIO, recipe: Recipe) -> Iterator[Row]:
    lines = Lines(source, recipe.encoding)

    def cells() -> Iterator[Any]:
        while True:
            try:
                text = next(lines).rstrip("\r\n")
                yield lines.number, text.split("\t") if text else []
            except StopIteration:
                return
            except UnicodeError as error:
                yield lines.number, wording(error)

    return from_cells(cells(), recipe)


def from_cells(cells: Iterator[tuple[int, Any]], recipe: Recipe) -> Iterator[Row]:
    """Rows of cells -> pairs. A row is a list of texts, or the text of what is wrong with it."""
    columns = None
    for line, row in cells:
        if isinstance(row, str):
            yield BadLine(line, row)
        elif columns is None and recipe.header and row:
            columns = row
            recipe = settled(recipe, columns)
        elif row or len(columns or ()) == 1:
            if columns is None:
                columns = [str(number) for number in range(1, len(row) + 1)]
                recipe = settled(recipe, columns)
            try:
                if not row:
                    row = [""]
                if len(row) != len(columns):
                    raise ValueError(f"{len(row)} columns where the first row has {len(columns)}")
                yield recipe.pair(unmarked(columns, row), line)
            except ValueError as error:
                yield BadLine(line, wording(error))


OWN = ["key", "value", "base64"]  # the columns lsmkv export writes


def settled(recipe: Recipe, columns: list[str]) -> Recipe:
    """The recipe with the default key column filled in: the first, unless lsmkv export wrote the file."""
    if recipe.key is not None or "key" in columns:
        return recipe
    told = dict(recipe.__dict__, key=columns[0])
    return Recipe(**told)


def unmarked(columns: list[str], row: list[str]) -> dict[str, str]:
    if columns != OWN:
        return dict(zip(columns, row, strict=True))
    marks = row[2].split()
    return {name + "_base64" if name in marks else name: cell for name, cell in zip(OWN[:2], row, strict=False)}


def wording(error: BaseException) -> str:
    if isinstance(error, UnicodeDecodeError):
        return (
            f"not {error.encoding}: byte 0x{error.object[error.start]:02x} at column {error.start + 1} (see --encoding)"
        )
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error)
