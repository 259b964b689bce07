"""The include lines of csrc are the architecture: they point downward, and this test says so."""

import re
import shutil
from collections import defaultdict

import pytest

FLOORS = ["util", "os", "format", "store", "engine"]
KERNEL = re.compile(r"(sys/.*|linux/.*|fcntl|unistd|dirent|sched|poll|time|signal|pthread|threads)(\.h)?$")
COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
HEAP = re.compile(r"(?<![\w>.])(?:malloc|calloc|realloc|free|aligned_alloc|posix_memalign|strn?dup|v?asprintf)\s*\(")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def may_see(room):
    """The rooms a file of `room` may include from."""
    if room in FLOORS:
        lower = FLOORS[: FLOORS.index(room) + 1]
        return {"include", *lower} - ({"os"} if room == "format" else set())
    return {"include": set(), "py": {"include", "py"}, "lobby": {"include", "lobby", *FLOORS}}[room]


def room_of(name):
    return name.split("/")[0] if "/" in name else "outside"


def examine(csrc):
    """What is wrong in csrc, in words, and the graph: room -> rooms it includes from."""
    files = {path.relative_to(csrc).as_posix(): path.read_text() for path in sorted(csrc.rglob("*.[ch]"))}
    wrong, includes, graph = [], defaultdict(list), defaultdict(set)
    for name, text in files.items():
        room = room_of(name)
        if room not in {"include", "py", "lobby", *FLOORS} or name.count("/") > 1:
            wrong.append(f"{name}: no floor of the house is called {room}")
            continue
        for quote, target in INCLUDE.findall(text):
            if quote == "<":
                if KERNEL.match(target) and room not in ("os", "py"):
                    wrong.append(f"{name}: <{target}> belongs to os/, the only door to the kernel")
                if target == "Python.h" and room != "py":
                    wrong.append(f"{name}: Python stays in py/")
            elif target not in files:
                wrong.append(f'{name}: "{target}" is not a path from csrc/')
            else:
                includes[name].append(target)
                graph[room].add(room_of(target))
                if room_of(target) not in may_see(room):
                    wrong.append(f"{name}: {room} must not see {target}")
        bare = COMMENT_OR_STRING.sub(lambda found: "\n" * found[0].count("\n"), text)
        if room != "py" and name != "util/alloc.c":
            for found in HEAP.finditer(bare):
                line = bare.count("\n", 0, found.start()) + 1
                wrong.append(f"{name}:{line}: {found[0].rstrip('( ')} instead of util/alloc.h")
    return wrong + circles(includes), graph


def circles(includes):
    """Files that include one another, straight or roundabout; each circle once."""
    found, done = [], set()

    def walk(name, trail):
        if name in trail:
            found.append("a circle of includes: " + " -> ".join([*trail[trail.index(name) :], name]))
        elif name not in done:
            for target in includes[name]:
                walk(target, [*trail, name])
            done.add(name)

    for name in sorted(includes):
        walk(name, [])
    return found


def test_includes_point_downward(source_tree):
    wrong, graph = examine(source_tree / "csrc")
    for room in ["py", "lobby", *reversed(FLOORS)]:
        print(f"{room:>7} -> {' '.join(sorted(graph[room] - {room})) or '-'}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "name, line, complaint",
    [
        ("util/broken.h", '#include "os/env.h"', "util must not see os/env.h"),
        ("format/broken.c", '#include "os/env.h"', "format must not see os/env.h"),
        ("os/broken.c", '#include "format/line.h"', "os must not see format/line.h"),
        ("store/broken.c", '  #  include "engine/broken.h"', "store must not see engine/broken.h"),
        ("py/broken.c", '#include "util/alloc.h"', "py must not see util/alloc.h"),
        ("include/broken.h", '#include "util/alloc.h"', "include must not see util/alloc.h"),
        ("util/broken.c", '#include "alloc.h"', "is not a path from csrc/"),
        ("util/broken.c", '#include "util/nowhere.h"', "is not a path from csrc/"),
        ("store/broken.c", "#include <sys/mman.h>", "the only door to the kernel"),
        ("engine/broken.c", "#include <fcntl.h>", "the only door to the kernel"),
        ("engine/broken.c", "#include <Python.h>", "Python stays in py/"),
        ("attic/broken.c", "int x;", "no floor of the house"),
        ("broken.c", "int x;", "no floor of the house"),
        ("engine/broken.c", '#include "lobby/broken.h"', "is not a path from csrc/"),
        ("store/deep/broken.c", "int x;", "no floor of the house"),
        ("store/broken.c", "void f(void *p) { free(p); }", "store/broken.c:1: free instead of util/alloc.h"),
        ("engine/broken.c", "/* a\n   b */ char *f(void) { return malloc (3); }", "engine/broken.c:2: malloc"),
        ("util/broken.h", '#include "util/mirror.h"', "util/broken.h -> util/mirror.h -> util/broken.h"),
    ],
)
def test_a_broken_rule_is_noticed(source_tree, tmp_path, name, line, complaint):
    csrc = tmp_path / "csrc"
    for folder in ["include", "util", "os", "format"]:
        shutil.copytree(source_tree / "csrc" / folder, csrc / folder)
    (csrc / "engine").mkdir()
    (csrc / "engine/broken.h").write_text("")
    (csrc / "util/mirror.h").write_text('#include "util/broken.h"\n' if "mirror" in line else "")
    before, _ = examine(csrc)
    broken = csrc / name
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_text(line + "\n")
    after, _ = examine(csrc)
    new = set(after) - set(before)
    assert any(complaint in words for words in new), f"unnoticed; said: {new}"


def test_what_is_allowed_is_not_complained_about(source_tree, tmp_path):
    csrc = tmp_path / "csrc"
    for folder in ["include", "util", "os", "format"]:
        shutil.copytree(source_tree / "csrc" / folder, csrc / folder)
    before, _ = examine(csrc)
    (csrc / "store").mkdir()
    (csrc / "store/fine.c").write_text(
        '#include "format/line.h"\n#include "os/env.h"\n#include <string.h>\n'
        '/* never malloc() here */ const char *words = "free(x)";\n'
        "void f(struct ops *o) { o->free(0); lk_free(0); }\n"
    )
    (csrc / "lobby").mkdir()
    (csrc / "lobby/fine.c").write_text('#include "include/lsmkv.h"\n#include "store/fine.h"\n')
    (csrc / "store/fine.h").write_text("")
    after, _ = examine(csrc)
    assert after == before
