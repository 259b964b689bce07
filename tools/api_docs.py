#!/usr/bin/env python3
"""Write docs/api.md: tools/api_head.md, and under it the docstrings of the package that is installed.

tools/api_docs.py            writes docs/api.md
tools/api_docs.py --check    writes nothing; exit code 1 when it is not current
"""

import ast
import inspect
import re
import sys
from pathlib import Path

import lsmkv
import lsmkv.aio
import lsmkv.dbm
from lsmkv import codecs, options
from lsmkv.report import counters

ROOT = Path(__file__).resolve().parents[1]
HEAD = ROOT / "tools" / "api_head.md"
TARGET = ROOT / "docs" / "api.md"

OPERATORS = """\
| | |
|---|---|
| `db[k]`, `db[k] = v`, `del db[k]` | get, put, delete; KeyError when absent. Cost: one lookup, one write, both |
| `k in db` | one lookup, no copy of the value |
| `db[a:b]`, `del db[a:b]` | a RangeView; a range delete, one record. A step is a ValueError |
| `len(db)`, `bool(db)` | exact, see above; one seek |
| `iter(db)`, `reversed(db)` | keys in order, and in the other. Cost: one seek, then one step a key |
| `db \\|= other` | `update(other)` |
| `with db:` | closes it at the end |
| `db == other` | identity |
"""

ERRORS = """\
Every message says what happened, where, in what state the store is now, and what to try. A missing key is a KeyError, a
key or value that a codec does not take a TypeError or ValueError, memory that ran out a MemoryError.

A codec that encodes by a library raises what that raises: `struct.error` (no ValueError) for a value that does not fit
the format, `pickle.PicklingError`, `AttributeError` or `TypeError` for an object that cannot be pickled, and whatever
your own `encode` raises. It comes before anything of the value is stored. What is raised while stored bytes are decoded
is the cause of a DecodeError.

A FileNotFoundError of `open` says that no store is there, never that a store lacks one of its files: that is a
CorruptionError, so making a new store where there was none is safe.
"""


# ---- text ---------------------------------------------------------------------------------------


PARAMETER = re.compile(r"[a-z_]+(, [a-z_]+)*: ")


def paragraphs(text):
    """Markdown of a docstring: examples and indented lines become blocks, parameters a list, the rest stays."""
    for part in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        lines = part.splitlines()
        if all(line.startswith("    ") for line in lines):
            lines = [line[4:] for line in lines]
            yield block(lines)
        elif lines[0].startswith(">>> "):
            yield block(lines)
        elif PARAMETER.match(lines[0]):
            yield "\n".join(("- " if PARAMETER.match(line) else "  ") + safe(line) for line in lines)
        else:
            yield safe(part)


def block(lines):
    return "\n".join([f"```{'pycon' if lines[0].startswith('>>> ') else ''}", *lines, "```"])


def safe(text):
    """What Markdown would take for its own is escaped, outside of `code`."""
    parts = re.split(r"(`[^`]*`|(?<![\w*])(?:\*\w[^*]*\w\*|\*\*\w[^*]*\w\*\*)(?![\w*]))", text)  # *so*, **so**
    return "".join(part if part[:1] in ("`", "*") else re.sub(r"([<*|\\])", r"\\\1", part) for part in parts)


def signature(function, name=None, drop_self=True):
    found = inspect.signature(function)
    parameters = [one.replace(annotation=inspect.Parameter.empty) for one in found.parameters.values()]
    if drop_self and parameters and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    return f"{name or function.__name__}{inspect.Signature(parameters)}"


def entry(heading, text):
    return "\n\n".join([f"**`{heading}`**", *paragraphs(text)])


def one_line(text):
    return safe(" ".join(inspect.cleandoc(text).split()))


def counted():
    """What stats() answers, one row a key."""
    rows = [f"| `{name}` | {safe(text)} |" for names in counters.GROUPS.values() for name, text in names.items()]
    return [
        "### Counters",
        "What `stats()` answers. Bytes and calls count from when the store was opened, in this process; sizes and "
        "numbers of files are the present ones.",
        "\n".join(["| key | what it counts |", "|---|---|", *rows]),
    ]


# ---- what there is ------------------------------------------------------------------------------


def public(kind):
    """(name, member) of what a class itself defines, bases of its own package included."""
    found = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("lsmkv"):
            found.update({name: member for name, member in vars(base).items() if not name.startswith("_")})
    return sorted(found.items())


def is_property(member):
    return isinstance(member, property) or inspect.isgetsetdescriptor(member) or inspect.ismemberdescriptor(member)


def members(kind, known=()):
    """What a type has, each in its own words; what says the same in `known` is only named."""
    same, told = [], []
    words = {member.__doc__: name for other in known for name, member in public(other)}
    for name, member in public(kind):
        if isinstance(member, classmethod | staticmethod):
            member = member.__func__
        if words.get(member.__doc__) == name and not is_property(member):
            same.append(f"`{name}`")
        elif is_property(member):
            told.append(entry(name, member.__doc__))
        else:
            told.append(entry(signature(member, name), member.__doc__))
    if same:
        told.insert(0, f"As of {' and '.join(other.__name__ for other in known)}: {', '.join(same)}.")
    return told


def section(kind, known=(), title=None, before=()):
    return [f"## {title or kind.__name__}", *paragraphs(kind.__doc__), *before, *members(kind, known)]


def functions(module, names, prefix):
    return [entry(prefix + signature(getattr(module, name), name), getattr(module, name).__doc__) for name in names]


def tuple_type(kind):
    rows = [f"| `{name}` | {one_line(getattr(kind, name).__doc__ or '')} |" for name in kind.__match_args__]
    return [f"### {kind.__name__}", one_line(kind.__doc__), "\n".join(["| field | |", "|---|---|", *rows])]


def errors():
    found = [getattr(lsmkv, name) for name in lsmkv.__all__]
    found = [one for one in found if isinstance(one, type) and issubclass(one, lsmkv.LsmkvError)]
    rows = []
    for one in sorted(found, key=lambda one: (len(one.__mro__), one.__name__)):
        also = ", ".join(f"`{base.__name__}`" for base in one.__bases__)
        rows.append(f"| `{one.__name__}` | {also} | {one_line(one.__doc__)} |")
    return ["## Errors", ERRORS, "\n".join(["| error | is a | when |", "|---|---|---|", *rows])]


def documented_fields(kind):
    """{field: its docstring}: the string that follows a field in the class's source."""
    body = ast.parse(inspect.cleandoc(inspect.getsource(kind))).body[0].body
    pairs = zip(body, body[1:], strict=False)
    return {
        field.target.id: text.value.value
        for field, text in pairs
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


def number(value):
    if isinstance(value, bool) or not isinstance(value, int) or value < 1024 or value % 1024:
        return repr(value)
    return f"{value >> 20} MiB" if value % (1 << 20) == 0 else f"{value >> 10} KiB"


def choices():
    told = documented_fields(lsmkv.Options)
    rows = []
    for name, field in lsmkv.Options.__dataclass_fields__.items():
        default = oct(field.default) if name == "mode" else number(field.default)
        rows.append(f"| `{name}` | `{default}` | {one_line(told[name])} |")
    sets = []
    for name, chosen in options.PRESETS.items():
        changed = ", ".join(f"`{field}={number(value)}`" for field, value in chosen.items())
        sets.append(f"| `{name}` | {changed or 'nothing'} |")
    return [
        "## Options",
        *paragraphs(lsmkv.Options.__doc__),
        "\n".join(["| field | default | |", "|---|---|---|", *rows]),
        "\n".join(["| preset | what it changes |", "|---|---|", *sets]),
        entry(signature(lsmkv.Options.preset, "Options.preset"), lsmkv.Options.preset.__doc__),
        entry("lsmkv.options.Overrides", options.Overrides.__doc__),
    ]


def the_codecs():
    plain = [name for name in codecs.__all__ if not callable(getattr(codecs, name))]
    kinds = {name: type(getattr(codecs, name)).__name__ for name in plain}
    rows = [f"| `codecs.{name}` | {kinds[name]} |" for name in sorted(plain, key=lambda name: (kinds[name], name))]
    made = [name for name in codecs.__all__ if inspect.isfunction(getattr(codecs, name))]
    return [
        "## lsmkv.codecs",
        *paragraphs(codecs.__doc__),
        "\n".join(["| object | |", "|---|---|", *rows]),
        *functions(codecs, made, "codecs."),
        *section(codecs.KeyCodec, title="codecs.KeyCodec"),
        *section(codecs.ValueCodec, (codecs.KeyCodec,), title="codecs.ValueCodec"),
    ]


def asynchronous():
    parts = ["## lsmkv.aio", *paragraphs(lsmkv.aio.__doc__), *functions(lsmkv.aio, ["open"], "aio.")]
    for name in lsmkv.aio.__all__:
        kind = getattr(lsmkv.aio, name)
        names = [f"`{one}`" for one, _ in public(kind)]
        parts += [f"### aio.{name}", *paragraphs(kind.__doc__)]
        if names:
            parts.append(f"It has {', '.join(names)}.")
    return parts


def database():
    return [
        "## lsmkv.dbm",
        *paragraphs(lsmkv.dbm.__doc__),
        *functions(lsmkv.dbm, ["open", "whichdb"], "dbm."),
        entry("dbm.error", lsmkv.dbm.error.__doc__),
        *section(lsmkv.dbm.Database, title="dbm.Database"),
    ]


def document():
    parts = [
        HEAD.read_text(encoding="utf-8"),
        "## Functions of the module",
        *functions(lsmkv, ["open", "destroy", "verify", "diff", "features"], "lsmkv."),
        entry(
            "lsmkv.Difference", lsmkv.Difference.__doc__ + " Fields: kind, key, old, new; None where there is no value."
        ),
        "## LSM",
        f"**`{signature(lsmkv.LSM, 'LSM')}`**",
        *paragraphs(lsmkv.LSM.__doc__),
        OPERATORS,
        *members(lsmkv.LSM),
        *section(lsmkv.Snapshot, (lsmkv.LSM,)),
        *section(lsmkv.Transaction, (lsmkv.LSM, lsmkv.Snapshot)),
        *section(lsmkv.WriteBatch),
        *section(lsmkv.Cursor),
        *section(lsmkv.RangeView),
        *section(lsmkv.KeysView, (lsmkv.RangeView,)),
        *section(lsmkv.ItemsView, (lsmkv.RangeView, lsmkv.KeysView)),
        *section(lsmkv.ValuesView, (lsmkv.RangeView,)),
        *section(lsmkv.Iterator),
        *errors(),
        *choices(),
        "## Beside the store",
        entry("lsmkv.ABSENT", lsmkv.ABSENT.__doc__),
        f"### {signature(lsmkv.ManualClock, 'ManualClock')}",
        *paragraphs(lsmkv.ManualClock.__doc__),
        *members(lsmkv.ManualClock),
        *counted(),
        *tuple_type(lsmkv.Level),
        *tuple_type(lsmkv.Probe),
        *the_codecs(),
        *asynchronous(),
        *database(),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def main(words):
    text = document()
    if "--check" not in words:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    current = TARGET.exists() and TARGET.read_text(encoding="utf-8") == text
    if not current:
        print("docs/api.md is not current: run tools/api_docs.py", file=sys.stderr)
    return 0 if current else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
