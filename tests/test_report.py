"""What a notebook and a terminal show of a store: safe, small, readable, and without touching anything."""

import gc
import os
import random
import threading
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest

import lsmkv
from lsmkv.report import axis, card, heat, html, keymap, text, theme
from lsmkv.report import levels as listing
from lsmkv.report.explain import Explanation
from lsmkv.report.levels import Levels

HOSTILE = [
    b"<script>alert(1)</script>",
    b"\"'><img src=x onerror=alert(1)>&amp;&lt;",
    b"\xff\xfe\x80 not UTF-8 \xc3",
    "\u202e\u2066abc\u200f\u05d0\u05d1\ufeff".encode(),
    b"]]>--></style></pre></svg>",
    b"\x00\x01\x1b[31m\x7f\r\n\t",
    "\ud800\udfff\ufffe".encode("utf-8", "surrogatepass"),
    b"",
    b"k" * 65535,
    b"&" * 65535,
    "\u20ac".encode() * 21845,
]


def level(
    kind="table", run=1, number=1, size=4096, records=100, tombstones=0, ranges=0, lsn=9 << 32, low=b"", high=b"",
    values=0,
):  # fmt: skip
    return lsmkv.Level(
        (kind, run, number, size, records, tombstones, ranges, 1 << 32, lsn, low, high, "raw", 9, 9, "lines", values)
    )


def tables(count, runs, key=b"%09d".__mod__):
    """A memtable, and `count` tables in `runs` runs of neighbours."""
    chance, made = random.Random(count * 31 + runs), [level("memtable", 0, count + 1, records=10, tombstones=1)]
    each = count // runs
    for run in range(1, runs + 1):
        for at in range(each):
            low = at * 1000
            made.append(
                level(
                    run=run,
                    number=len(made),
                    size=chance.randrange(1, 64 << 20),
                    records=chance.randrange(1, 1 << 20),
                    tombstones=chance.randrange(1000) if run < runs else 0,
                    lsn=max(1, 40 - run) << 32,
                    low=key(low),
                    high=key(low + 998),
                )
            )
    return Levels(made)


def every_picture(levels):
    return [levels._repr_html_(), *(levels.svg(color) for color in theme.HEAT)]


def parsed(document):
    """Well-formed, small, without scripts, handlers and addresses. The text in it, and the tooltips."""
    assert len(document.encode()) <= html.LIMIT
    root = ElementTree.fromstring(document)
    for element in root.iter():
        assert element.tag.split("}")[-1] not in (
            "script",
            "image",
            "img",
            "a",
            "use",
            "foreignObject",
            "iframe",
            "link",
        )
        for name, value in element.attrib.items():
            assert not name.startswith("on") and "href" not in name and name != "src" and "url(" not in value, name
    assert "@import" not in document and "url(" not in document
    shown = "".join(root.itertext())
    assert all(char.isprintable() or char == "\n" for char in shown), "an invisible or a steering character"
    return shown


class Balance(HTMLParser):
    """As a browser reads it: no tag that was not meant to be one."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], set()

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.seen.add(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def db(path):
    with lsmkv.open(path, options="teach") as db:
        chance = random.Random(5)
        for _ in range(900):
            key = b"user:%04d" % chance.randrange(2000)
            db.delete(key) if chance.random() < 0.1 else db.put(key, b"x" * chance.randrange(40))
        yield db


# ---- safe -----------------------------------------------------------------------------------


@pytest.mark.parametrize("low", HOSTILE)
@pytest.mark.parametrize("high", HOSTILE[:3] + HOSTILE[-2:])
def test_hostile_keys_are_escaped(low, high):
    low, high = min(low, high), max(low, high)
    middle = low + b"m"
    levels = Levels(
        [level(low=low, high=high), level(run=2, low=low, high=middle), level(run=2, low=middle, high=high)]
    )
    for picture in [*every_picture(levels), Explanation([], low)._repr_html_(), Explanation([], high)._repr_html_()]:
        parsed(picture)
        balance = Balance()
        balance.feed(picture)
        assert not balance.open and not balance.seen & {"script", "img"}
    assert repr(levels).replace("\n", "").isprintable() and max(map(len, repr(levels).splitlines())) < 600


def test_hostile_keys_in_a_store(path):
    with lsmkv.open(path, options="teach") as db:
        for key in HOSTILE:
            db[key] = key[:100]
        db.flush()
        for key in HOSTILE:
            parsed(db.explain(key)._repr_html_())
        for picture in every_picture(db.levels):
            parsed(picture)
        assert all(key in db for key in db._ipython_key_completions_())


def test_a_hostile_path(tmp_path):
    where = os.fsencode(tmp_path) + b"/" + b"p" * 200 + b"<b>\"'&\xff\xe2\x80\xae"
    with lsmkv.open(where) as db:
        shown = parsed(db._repr_html_())
        assert "<b>\"'&\\xff\\u202e" in shown
    assert "<b>" in parsed(db._repr_html_())


def test_escape_cuts_before_it_decodes():
    assert text.escape("\u20ac".encode() * 20000, 5) == "€€€€…"
    assert (
        text.escape(b"abc", 3) == "abc"
        and text.escape(b"abcd", 3) == "ab…"
        and text.escape(b"\xe2\x82", 20) == r"\xe2\x82"
    )


def test_a_stored_key_says_its_namespace():
    assert text.key(b"cat") == "cat" and text.key(b"") == "(empty)"
    assert text.key(b"\xff\x00\xff\x01x") == r"\xff\x01x", "the default namespace, first byte FF"
    assert text.key(b"\xff\x01\x00\x00\x00\x07cat") == "ns 7: cat"
    assert text.key(b"\xff\x01\x00\x00\x00\x07") == "ns 7: (empty)"
    assert text.key(b"\xff\x01\x00\x00\x00\x00name") == "catalog: name"
    assert text.key(b"\xff\x01\x00\x00\x01\x00" + b"k" * 99, 9) == "ns 256: kkkkkkkk…"
    assert text.key(b"\xff\x01\x00") == r"\xff\x01\x00" and text.key(b"\xff") == r"\xff"


# ---- small ----------------------------------------------------------------------------------


@pytest.mark.parametrize("count, runs", [(5000, 1), (5000, 5), (5000, 200), (5000, 5000), (60, 60)])
def test_any_number_of_tables_fits(count, runs):
    levels = tables(count, runs)
    for picture in [levels._repr_html_(), levels.svg("age")]:
        assert "neighbours are put together" in parsed(picture)
    assert len(repr(levels).encode()) <= html.LIMIT


@pytest.mark.parametrize("runs", [1, 7, 60])
def test_keys_of_any_size_fit(runs):
    few = tables(420, runs, lambda at: b"<&\"'>\xff" * 100 + b"%09d" % at)[1:]
    huge = level(run=runs, number=999, low=b"z" * 65535, high=b"\xff" * 65535)
    for picture in every_picture(Levels([*few, huge])):
        parsed(picture)


def test_many_logs_fit():
    parsed(Levels([level("segment", 0, number) for number in range(5000)])._repr_html_())


def test_a_long_path_fits():
    probes = [lsmkv.Probe(("table", run, run, "tag matched another key", 1, 1, 0, 0, "lines")) for run in range(4096)]
    told = Explanation(probes, b"<" * 65535)
    assert "more places that did not have it" in parsed(told._repr_html_())
    assert len(repr(told).encode()) <= html.LIMIT


def test_neighbours_are_drawn_together_and_nothing_is_lost():
    places = [listing.plain(one) for one in tables(5000, 5)]
    where = axis.Axis(place for place in places if place["kind"] == "table")
    rows = keymap.rows(places, where, 100)
    assert sum(len(row.blocks) for row in rows) <= 100
    for row in rows[1:]:
        assert sum(len(block.tables) for block in row.blocks) == 1000
        ends = [(block.left, block.right) for block in row.blocks]
        assert ends == sorted(ends) and all(0 <= left < right <= 1 for left, right in ends)
        assert all(one[1] < other[0] for one, other in zip(ends, ends[1:], strict=False)), (
            "tables of a run are disjoint"
        )


# ---- the axis and the colours ---------------------------------------------------------------


def test_the_axis_keeps_the_order_of_keys():
    for key in (
        b"%09d".__mod__,
        lambda at: at.to_bytes(8, "big"),
        lambda at: b"long common prefix" * 9 + b"%d" % (10**9 + at),
    ):
        places = [listing.plain(one) for one in tables(300, 3, key)[1:]]
        where = axis.Axis(places)
        spots = [where[bound] for bound in where.bounds]
        assert spots == sorted(set(spots)) and (spots[0], spots[-1]) == (0, pytest.approx(1))
        ticks = where.ticks(0.2)
        assert 3 <= len(ticks) <= 6 and ticks == sorted(ticks)


def test_the_axis_is_wide_where_records_are():
    where = axis.Axis(
        listing.plain(one) for one in (level(low=b"a", high=b"b", records=900), level(low=b"c", high=b"z", records=100))
    )
    assert where[b"b"] - where[b"a"] > 5 * (where[b"z"] - where[b"c"]) > 5 * (where[b"c"] - where[b"b"]) > 0


def test_one_key_or_none_has_an_axis_too():
    assert axis.Axis([]).bounds == [] and axis.Axis([]).ticks(0.1) == []
    assert axis.Axis([listing.plain(level(low=b"k", high=b"k"))])[b"k"] == 0
    parsed(Levels([level(low=b"k", high=b"k")]).svg())
    assert "nothing stored yet" in parsed(Levels([])._repr_html_())


def test_classes_of_colour():
    small, large = (
        level(size=100, low=b"a", high=b"b"),
        level(size=1000, low=b"c", high=b"d", tombstones=30, lsn=4 << 32),
    )
    some = [listing.plain(small), listing.plain(large)]
    assert [heat.Heat("size", some).step([one]) for one in some] == [0, 4]
    assert [heat.Heat("age", some).step([one]) for one in some] == [4, 0]
    assert [heat.Heat("tombstones", some).step([one]) for one in some] == [0, 4]
    assert [heat.fifth(value, 100) for value in (0, 1, 20, 21, 40, 99, 100)] == [0, 0, 0, 1, 1, 4, 4]
    with pytest.raises(ValueError, match="'size', 'age', 'tombstones'"):
        Levels([small]).svg("reads")
    with pytest.raises(ValueError, match="'light' or 'dark'"):
        Levels([small]).svg(theme="sepia")


@pytest.mark.parametrize("name", ["light", "dark"])
def test_text_can_be_read_on_every_colour(name):
    palette = {"light": theme.LIGHT, "dark": theme.DARK}[name]
    for colours in theme.HEAT.values():
        assert all(theme.contrast(colour, theme.ink_on(colour)) >= 4.5 for colour in colours[name])
    for words in ("ink", "muted", "good", "warn", "info"):
        assert min(theme.contrast(palette[words], palette[paper]) for paper in ("bg", "panel")) >= 4.5, words


def test_light_and_dark(db):
    for shown in (db._repr_html_(), db.levels._repr_html_(), db.levels.svg(), db.explain(b"user:0001")._repr_html_()):
        assert "prefers-color-scheme:dark" in shown and theme.LIGHT["panel"] in shown and theme.DARK["panel"] in shown
        assert "data-jp-theme-light=false" in shown and "var(--jp-layout-color0," in shown
    for name, other in (("light", theme.DARK), ("dark", theme.LIGHT)):
        fixed = db.levels.svg("age", theme=name)
        assert other["panel"] not in fixed and "prefers-color-scheme" not in fixed and "--jp-layout" not in fixed


# ---- what is said ---------------------------------------------------------------------------


def test_the_text_of_levels_is_stable():
    levels = Levels(
        [
            level("memtable", 0, 9, 1432, 27, 3),
            level("segment", 0, 8, 4016, 77, 8, 2),
            level(number=5, low=b"a", high=b"m\xff"),
            level(run=2, number=3, tombstones=5, low=b"\xff\x01\0\0\0\x07a", high=b"\xff\x01\0\0\0\x07z"),
            level("values", 0, 4, 1 << 20, 0, values=3 << 18),
            level("values", 0, 7, 1 << 20, 0, values=1 << 20),
        ]
    )
    assert repr(levels) == str(levels)
    assert repr(levels).splitlines() == [
        "  place     file            size  records     deletions  keys",
        "  MemTable  000009.log   1.4 KiB       27             3",
        "  L0        000008.log  3.92 KiB       77  8 + 2 ranges",
        "  run 1     000005.tbl     4 KiB      100             0  a .. m\\xff",
        "  run 2     000003.tbl     4 KiB      100             5  ns 7: a .. ns 7: z",
        "  values    000004.val     1 MiB                         768 KiB live, 25% garbage",
        "            000007.val     1 MiB                         1 MiB live, 0% garbage",
    ]
    assert repr(Levels([])) == "  (nothing stored yet)"
    assert len(repr(tables(5000, 5000)).splitlines()) == listing.LINES
    assert repr(tables(5000, 5000)).endswith("more lines")


def test_the_text_of_an_explanation_is_stable():
    told = Explanation(
        [lsmkv.Probe(("memtable", 0, 9, "line says no", 1, 0, 0, 0, "lines")),
         lsmkv.Probe(("table", 1, 0, "not in its range", 0, 0, 0, 0, "lines")),
         lsmkv.Probe(("table", 2, 5, "value", 1, 1, 0, 0, "lines"))],
        b"k\xff",
    )  # fmt: skip
    assert repr(told) == (
        "get k\\xff: is there; 3 places asked, newest first\n"
        "  1.  MemTable  000009.log  line says no      1 line, 0 records read\n"
        "  2.  run 1                 not in its range  0 lines, 0 records read\n"
        "  3.  run 2     000005.tbl  value             1 line, 1 record read"
    )
    assert told.found is True and told.key == b"k\xff"
    assert Explanation([lsmkv.Probe(("table", 1, 5, "tombstone", 1, 1, 0, 0, "lines"))]).found is False
    assert Explanation([lsmkv.Probe(("table", 1, 5, "not verified yet", 0, 0, 0, 0, "lines")), *told]).found is None
    assert Explanation().found is False and repr(Explanation()).startswith("get (empty): is not there; 0 places")
    assert "get ('\u05d0<', 7)" in parsed(Explanation(told, ("\u05d0<", 7))._repr_html_()).replace("  ", " ")


def test_they_are_lists(db):
    levels = db.levels
    assert isinstance(levels, list) and levels == list(levels) == db.levels and levels[0] == list(levels)[0]
    assert len(levels[1:]) == len(levels) - 1 and {one.kind for one in levels} == {"memtable", "segment", "table"}
    probes = db.explain(bytearray(b"user:0001"))
    assert isinstance(probes, list) and probes == list(probes) and probes.key == b"user:0001"


def test_the_card_says_what_stats_and_levels_say(db):
    shown = parsed(db._repr_html_())
    stats = db.stats()
    for words in (
        "MemTable",
        "L0",
        "run 1",
        "bottom",
        "open",
        "write amplification",
        "space amplification",
        "a get asks",
    ):
        assert words in shown, words
    assert f"{listing.size(stats['memtable_bytes'])} of at most 4 KiB" in shown
    factor = (
        sum(stats[f"{cause}_bytes"] for cause in ("log", "flush", "merge", "manifest", "recovery"))
        / stats["user_bytes"]
    )
    assert f"{factor:.1f}x" in shown and f"{factor:.2f}x" in shown, "the picture, and its text"
    assert "<pre" in db._repr_html_() and repr(db) in shown


def test_keys_of_any_kind(path):
    with lsmkv.open(path, key="str", value="json") as db:
        db["caf\u00e9<"] = {"seats": 3}
        told = db.explain("caf\u00e9<")
        assert told.key == "caf\u00e9<" and told.found and "caf\u00e9<" in parsed(told._repr_html_())
        assert db._ipython_key_completions_() == ["caf\u00e9<"]
        with pytest.raises(TypeError):
            db.explain(b"caf")
        rooms = db.namespace("rooms", key="(str,i64)")
        rooms["cellar", -1] = b""
        assert rooms._ipython_key_completions_() == [("cellar", -1)]
        assert "('cellar', -1) is there" in repr(rooms.explain(("cellar", -1))).replace(":", "")
        parsed(rooms._repr_html_())
        db.flush()
        assert "ns 1: " in parsed(db.levels._repr_html_()) and "ns 1: " in repr(db.levels)


def test_a_picture_shows_itself(db):
    picture = db.levels.svg()
    assert isinstance(picture, str) and picture._repr_html_() == picture and len(repr(picture)) < 60
    assert picture.startswith('<svg xmlns="http://www.w3.org/2000/svg"')


def test_completions(db):
    offered = db._ipython_key_completions_()
    assert offered == list(db.keys().limit(100)) and len(offered) == 100
    db[b"a" * 4000] = b""
    assert db._ipython_key_completions_() == offered[:99], "long keys are left out"
    db.close()
    assert db._ipython_key_completions_() == []
    assert lsmkv.LSM.__new__(lsmkv.LSM)._ipython_key_completions_() == []


# ---- never in the way -----------------------------------------------------------------------


def calls_so_far():
    try:
        with open("/proc/self/io") as told:
            return [int(line.split()[1]) for line in told if line.startswith(("syscr", "syscw"))]
    except OSError:
        pytest.skip("needs /proc/self/io: this kernel does not count reads and writes")


def look(db):
    db._repr_html_(), repr(db), repr(db.levels), db.levels._repr_html_(), db.levels.svg("age")
    db.explain(b"user:0001")._repr_html_()


def counted(db):
    return {name: value for name, value in db.stats().items() if not name.startswith("resident_")}


def test_looking_reads_and_writes_nothing(db):
    look(db)  # imports
    gc.collect()
    before, calls = counted(db), [calls_so_far()]
    db.stats()  # asks the system how much memory the process holds
    calls.append(calls_so_far())
    look(db)
    calls.append(calls_so_far())
    assert counted(db) == before
    asking, looking = ([b - a for a, b in zip(*pair, strict=True)] for pair in (calls[:2], calls[1:]))
    assert looking == asking, "system calls that read or write, beside those that counted them"


def test_looking_opens_nothing(db, run_python):
    db.close()
    run_python(
        """if True:
        import sys, lsmkv
        with lsmkv.open(sys.argv[1]) as db:
            def look():
                db._repr_html_(), repr(db.levels), db.levels._repr_html_(), db.explain(b"k")._repr_html_()
            look()
            opened = []
            sys.addaudithook(lambda event, args: opened.append(args) if event in ("open", "import") else None)
            look()
            assert not opened, opened
        """,
        db.path,
    )


def test_import_is_lazy(run_python):
    run_python(
        """if True:
        import sys, lsmkv
        def reports():
            return {name for name in sys.modules if name.startswith("lsmkv.report")}
        assert not reports(), reports()
        with lsmkv.open(None) as db:
            repr(db), db.stats()
            assert not reports(), reports()
            repr(db.levels), repr(db.explain(b"k"))
            assert "lsmkv.report.levels" in reports() and not reports() & {"lsmkv.report.html", "lsmkv.report.keymap"}
        """
    )


def test_every_state_has_a_card(path):
    assert "never opened" in parsed(lsmkv.LSM.__new__(lsmkv.LSM)._repr_html_())
    with lsmkv.open(path) as db:
        assert "nothing written since it was opened" in parsed(db._repr_html_())
        assert "empty" in parsed(db.levels._repr_html_())
        with db.snapshot() as snapshot:
            db[b"k"] = b"v"
            steps = iter(snapshot)
            next(steps, None)
            assert "1 snapshot" in parsed(db._repr_html_())
        with lsmkv.open(path, "r") as reader:
            assert "read only" in parsed(reader._repr_html_()) and "read only" not in parsed(db._repr_html_())
            parsed(reader.levels._repr_html_())
    assert "closed" in parsed(db._repr_html_())


def test_the_card_in_a_forked_child(db):
    child = os.fork()
    if child == 0:
        shown = db._repr_html_()
        os._exit(0 if "of the parent process" in shown and db._ipython_key_completions_() == [] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_looking_while_others_write_and_merge(path):
    with lsmkv.open(path, options="teach", threads=2) as db:
        done = threading.Event()

        def write():
            for at in range(4000):
                db[b"%05d" % (at * 7919 % 4000)] = b"x" * 30
            done.set()

        writer = threading.Thread(target=write)
        writer.start()
        looks = 0
        while not done.is_set() or not looks:
            for shown in (db._repr_html_(), db.levels._repr_html_(), db.explain(b"00001")._repr_html_()):
                parsed(shown)
            looks += 1
        writer.join()


def test_closing_while_somebody_looks(path):
    for _ in range(20):
        db = lsmkv.open(path)
        closer = threading.Thread(target=db.close)
        closer.start()
        parsed(db._repr_html_())
        closer.join()
        assert "closed" in parsed(db._repr_html_())


def test_a_card_survives_whatever_goes_wrong(db, monkeypatch):
    class Odd(lsmkv.LSM):
        def stats(self):
            raise RuntimeError("<no>")

        def __repr__(self):
            raise RuntimeError("<no>")

    with Odd(None) as odd:
        assert "Odd object at" in parsed(odd._repr_html_())
    monkeypatch.setattr(card, "card", lambda *given: 1 / 0)
    assert repr(db) in parsed(db._repr_html_())
    monkeypatch.setattr(card, "of_store", lambda *given: 1 / 0)
    assert db._repr_html_() is None, "then a notebook shows repr(db)"

    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(card, "of_store", interrupted)
    with pytest.raises(KeyboardInterrupt):
        db._repr_html_()


def test_lists_that_were_tampered_with_still_show(db):
    levels, told = db.levels, db.explain(b"user:0001")
    for odd in (levels, told):
        odd.append("<b>")
        assert "<b>" in parsed(odd._repr_html_()) and repr(odd).startswith("[")


# ---- the pictures of the documentation ------------------------------------------------------


def test_the_script_draws_the_pictures_of_the_documentation(source_tree, run_python, tmp_path):
    run_python(
        "import runpy, sys; runpy.run_path(sys.argv.pop(1), run_name='__main__')",
        source_tree / "tools/picture.py",
        tmp_path,
    )
    for name in ("levels-light.svg", "levels-dark.svg"):
        for drawn in (tmp_path / name, source_tree / "docs" / "pictures" / name):
            shown = parsed(drawn.read_text("utf-8"))
            assert "MemTable" in shown and "run 1" in shown and "order:" in shown
