#!/usr/bin/env python3
"""Write what follows from the parsers of the command line: docs/cli.md, and the help of every command as text.

tools/write_cli_docs.py            writes docs/cli.md and tests/data/help/*.txt
tools/write_cli_docs.py --check    writes nothing; exit code 1 when one of them is not current
"""

import os
import re
import sys
from pathlib import Path

os.environ["COLUMNS"] = "80"
os.environ["NO_COLOR"] = "1"
ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from lsmkv.cli.catalog import catalog, subparsers  # noqa: E402
from lsmkv.cli.parser import ALL, FIRST, GROUPS, build_parser  # noqa: E402

TITLES = {
    "data": "Data",
    "interchange": "Interchange",
    "inspect": "Looking inside",
    "upkeep": "Upkeep",
    "learn": "Learning",
    "about": "About lsmkv",
}
OPENING = f"""\
# The command line

<!-- Written by tools/write_cli_docs.py from the parsers; change the commands and run it again. -->

`lsmkv COMMAND DB ...`, or `python -m lsmkv COMMAND DB ...`. DB is the store's directory and always comes first;
`@` stands for `$LSMKV_DB`. `lsmkv COMMAND --help` says what is written here.

```
{re.sub("^ {14}", "", FIRST.replace("first steps:  ", " " * 14), flags=re.M).strip()}
```

- **Data goes to standard output, everything else to standard error.** `--json` makes every answer JSON, failures too.
- **Reading takes no lock**: `get`, `scan`, `export` and whatever looks inside work while another process writes.
- **Keys and values** are bytes. `--key-format` and `--value-format` say how they are typed and shown: `utf8`, `raw`,
  `hex`, `base64`, `json`, `i64`, `u64`. The default is what the store's codec says: `utf8` for bytes and str, `i64`,
  `u64` and `json` for themselves, `hex` for all others. A terminal is shown `\\xNN` for what it could not print; a
  pipe gets the exact bytes.
- **A key that begins with a dash** follows `--`: `lsmkv get fruit.db -- -x`.
- **What destroys asks**: `--yes` answers, `--dry-run` only looks.
- `NO_COLOR` is respected. A reader that leaves early (`| head`) is no error.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | a negative answer: the key is not there, the stores differ |
| 2 | usage |
| 3 | input or output failed |
| 4 | corruption, or a wrong format |
| 5 | another process holds the store |
| 6 | conflict |
| 130 | interrupted |
"""


def document(commands):
    parts = [OPENING]
    for group in GROUPS:
        parts.append(f"## {TITLES[group]}\n")
        parts += [section(command) for command in commands if command.group == group]
    return "\n".join(parts)


def section(command):
    others = f" Also: {', '.join(f'`{name}`' for name in command.others)}." if command.others else ""
    lines = [f"### {command.name}\n", f"`{command.form} [options]`\n"]
    lines.append(f"{command.summary[0].upper()}{command.summary[1:]}.{others}\n")
    rows = [(operand.name, operand.help) for operand in command.operands if operand.name != "DB"]
    rows += [
        (f"{option.flag} {option.value}" if option.value else option.flag, option.help)
        for option in command.options
        if option.flag not in ("--help", "--json")
    ]
    if rows:
        lines += ["| | |", "|---|---|", *(f"| `{name}` | {cell(text)} |" for name, text in rows), ""]
    if command.tells:
        lines += (
            ["```text", without_formats(command.tells).strip("\n"), "```\n"] if without_formats(command.tells) else []
        )
    lines += ["```sh", *command.examples, "```\n"]
    return "\n".join(lines)


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def without_formats(text):
    """The notes of a command; the formats of keys and values are told once, above."""
    return text[: text.index("formats of keys")].strip("\n") if "formats of keys" in text else text


def helps():
    """{command: its help}. Where Python versions word it differently, the newest wording stands."""
    parsers = subparsers(build_parser())
    return {"lsmkv": build_parser().format_help()} | {name: parsers[name].format_help() for name in ALL}


def files():
    """{path: text} of everything this tool writes."""
    found = {ROOT / "docs" / "cli.md": document(catalog())}
    return found | {ROOT / "tests" / "data" / "help" / f"{name}.txt": text for name, text in helps().items()}


def main():
    stale = [path for path, text in files().items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{'not current' if '--check' in sys.argv else 'written'}: {path.relative_to(ROOT)}")
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files()[path], encoding="utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
