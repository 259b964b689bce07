"""The parts of the command line that are functions of values: formats, numbers, tables, the progress line, readers."""

import io

import pytest

from lsmkv.cli import formats, progress, readers, stat
from lsmkv.cli.data import successor
from lsmkv.cli.words import split
from lsmkv.report import counters, explain, levels, numbers, stats, text


@pytest.mark.parametrize(
    "number, shown",
    [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (150 << 20, "150 MiB"), (3 << 40, "3 TiB")],
)
def test_sizes(number, shown):
    assert numbers.size(number) == shown


@pytest.mark.parametrize(
    "value, shown", [(2e-6, "2 µs"), (0.0123, "12.3 ms"), (2.04, "2.0 s"), (65, "1 min 05 s"), (3700, "1 h 01 min")]
)
def test_seconds(value, shown):
    assert numbers.seconds(value) == shown


def test_small_words():
    assert numbers.plural(1, "key") == "1 key" and numbers.plural(2000, "key") == "2,000 keys"
    assert numbers.lsn((3 << 32) | 4096) == "3:4096" and numbers.rate(10, 2) == "5/s" and numbers.times(3, 2) == "1.50x"
    assert numbers.rate(1, 0) == "-" and numbers.times(1, 0) == "-"


@pytest.mark.parametrize(
    "data, shown",
    [
        (b"plain", "plain"),
        ("é☃".encode(), "é☃"),
        (b"\x00\x1b\x7f\xff", "\\x00\\x1b\\x7f\\xff"),
        (b"a\tb\r\n", "a\\tb\\r\\n"),
        ("\u202eevil".encode(), "\\u202eevil"),
        ("\U000e0001".encode(), "\\U000e0001"),
        (b"\xc3", "\\xc3"),
    ],
)
def test_escape_shows_only_what_is_printable(data, shown):
    assert text.escape(data) == shown and shown.isprintable()


def test_escape_cuts():
    assert text.escape(b"x" * 100, 10) == "x" * 9 + "…"


def test_columns_are_aligned():
    assert text.columns([("a", "1"), ("bcd", "100")], "<>", ("k", "n")) == ["  k      n", "  a      1", "  bcd  100"]


@pytest.mark.parametrize(
    "prefix, after", [(b"a", b"b"), (b"a\xff", b"b"), (b"\xff\xff", None), (b"", None), (b"\x00", b"\x01")]
)
def test_the_key_after_a_prefix(prefix, after):
    assert successor(prefix) == after


@pytest.mark.parametrize("name", formats.NAMES)
@pytest.mark.parametrize("number", [0, 1, 255, 1 << 40])
def test_formats_come_back(name, number):
    given = str(number)
    if name == "hex":
        given = given.encode().hex()
    if name == "base64":
        given = formats.show("base64", given.encode()).decode()
    data = formats.parse(name, given)
    assert formats.show(name, data).decode() == given
    assert formats.parse(name, str(formats.to_json(name, data))) == data


@pytest.mark.parametrize("value", [True, 1.5, None, [1], {"a": 1}])
def test_only_whole_numbers_are_numbers(value):
    with pytest.raises(ValueError):
        formats.parse("i64", value)


def test_progress_line():
    shown = progress.line("import w.txt", 50, 100, 1234, "lines", 2.0)
    assert shown == "import w.txt  [##########----------]  50%  1,234 lines  617/s  ETA 2.0 s"
    assert progress.line("scan", 7, None, 7, "keys", 1.0) == "scan  7 keys  7/s"
    assert progress.line("verify", 1 << 20, 1 << 20, 1 << 20, "bytes", 1.0).endswith("100%  1 MiB  1 MiB/s  ETA 0 µs")


def test_progress_is_silent_away_from_a_terminal(capsys):
    with progress.Progress("job", 10, "keys") as bar:
        bar.due = 0
        bar.update(5)
    assert capsys.readouterr() == ("", "")


def level(kind, run, number, records, tombstones=0):
    return {
        **{"kind": kind, "run": run, "number": number, "bytes": records * 100, "records": records},
        **{
            "tombstones": tombstones,
            "range_deletes": 0,
            "lsn_min": 1,
            "lsn_max": 2,
            "key_min": b"a",
            "key_max": b"z\xff",
        },
    }


STORE = [
    level("memtable", 0, 9, 10, 1),
    level("segment", 0, 8, 20),
    level("table", 1, 5, 300),
    level("table", 1, 6, 300),
]


def test_levels_as_text():
    assert levels.tree(STORE) == [
        "  place       files      size  records  deletions",
        "  MemTable   1 file    1000 B       10          1",
        "  L0         1 file  1.95 KiB       20          0",
        "  run 1     2 files  58.6 KiB      600          0",
    ]
    lines = levels.table(STORE)
    assert len(lines) == 5 and lines[1].split()[:2] == ["MemTable", "000009.log"]
    assert lines[3].split()[:3] == ["run", "1", "000005.tbl"] and lines[4].split()[0] == "000006.tbl"
    assert all("a .. z\\xff" in line for line in lines[3:]) and "a .. z" not in lines[2]  # a log is not sorted
    assert levels.tree([]) == levels.table([]) == ["  (nothing stored yet)"]


def test_value_files_stand_behind_the_places_that_are_asked():
    with_values = [
        *STORE[:2],
        {**STORE[2], "value_bytes": 3000},
        {**STORE[3], "value_bytes": 1000},
        {**level("values", 0, 7, 0), "bytes": 8000, "value_bytes": 4000},
    ]
    assert stats.places(with_values) == 3 and stats.keys_at_most(with_values) == 629
    assert levels.tree(with_values)[-1].split() == ["values", "1", "file", "7.81", "KiB", "50%", "garbage"]
    assert levels.values(levels.values_of(with_values)) == [
        "values  bytes   live  garbage",
        "     7  8,000  4,000      50%",
    ]
    assert levels.values([]) == []
    bottom = sum(table["bytes"] for table in STORE[2:]) + 4000
    held = sum(place["bytes"] for place in with_values)
    assert stats.space_amplification(with_values) == (held / bottom, bottom)
    assert stats.space_amplification(STORE[:2]) is None
    told = levels.summary(with_values)
    assert told.endswith("; 7.81 KiB of it in 1 value file, 50% garbage") and "value" not in levels.summary(STORE)


def test_measures_of_levels():
    assert stats.places(STORE) == 3 and stats.keys_at_most(STORE) == 629
    assert stats.write_amplification({"user_bytes": 0}) is None
    assert stats.write_amplification({"user_bytes": 100, "log_bytes": 110, "merge_bytes": 90}) == 2.0


def test_counters_stand_in_groups_and_none_is_lost():
    told = counters.grouped({"lsn_visible": 1, "puts": 0, "gets": 0, "user_bytes": 7, "brand_new": 3})
    assert told == {
        "position": {"lsn_visible": 1},
        "bytes accepted": {"user_bytes": 7},
        "other": {"brand_new": 3},
    }


def test_stat_shows_the_change_since_the_look_before():
    before = {"lsn_visible": 1, "table_records": 1000, "table_bytes": 4096, "failed": False}
    after = {"lsn_visible": (1 << 32) + 64, "table_records": 1003, "table_bytes": 2048, "failed": True}
    assert stat.lines(after, before) == [
        "position  lsn_visible     1:64",
        "          failed           yes",
        "tables    table_records  1,003      +3",
        "          table_bytes    2 KiB  -2 KiB",
    ]


@pytest.mark.parametrize(
    "line, words",
    [
        ("", []),
        ("  put a\tb \r\n", ["put", "a", "b"]),
        ("put 'two words' \"it's\" a\\ b ''", ["put", "two words", "it's", "a b", ""]),
        ("a\xa0b\u2028c", ["a\xa0b\u2028c"]),
        ('"a\\"b" \'a\\b\'', ['a"b', "a\\b"]),
        ("a#b #c", ["a#b", "#c"]),
    ],
)
def test_words_are_quoted_as_in_a_shell(line, words):
    assert split(line) == words


@pytest.mark.parametrize("line, wrong", [("'a", "quote"), ('a "b', "quote"), ("a\\", "backslash")])
def test_a_quote_that_is_not_closed(line, wrong):
    with pytest.raises(ValueError, match=wrong):
        split(line)


def test_explain_as_text():
    probe = {"kind": "table", "run": 2, "number": 7, "verdict": "value", "lines": 1, "records": 1}
    probe |= {"pages": 0, "unpacked": 0, "layout": "lines"}
    assert explain.lines(b"k", True, [probe]) == [
        "get k: is there; 1 place asked, newest first",
        "  1.  run 2  000007.tbl  value  1 line, 1 record read",
    ]


def read(form, data, **recipe):
    rows = readers.rows(form, io.BytesIO(data), readers.Recipe(**recipe))
    return [row if isinstance(row, tuple) else (row.line, row.reason) for row in rows]


def test_a_csv_line_that_cannot_be_decoded_does_not_end_the_file():
    rows = read("csv", b"k,v\na,\xff\nb,2\n", value="v")
    assert rows[0][0] == 2 and "utf-8" in rows[0][1] and rows[1:] == [(b"b", b"2")]


def test_a_csv_quote_that_never_ends_is_one_bad_line():
    rows = read("csv", b'k,v\na,"open\nb,2\n', value="v")
    assert [row[0] for row in rows] == [2] and "end of data" in rows[0][1]


def test_jsonl_deep_nesting_is_a_bad_line():
    rows = read("jsonl", b"[" * 100_000 + b'\n{"key": "a", "value": "b"}\n')
    assert rows[0][0] == 1 and rows[1] == (b"a", b"b")


def test_one_empty_column_is_a_row():
    assert read("csv", b"k\na\n\nb\n", value="k") == [(b"a", b"a"), (b"", b""), (b"b", b"b")]
