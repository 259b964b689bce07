#!/bin/sh
# Makes the environment in .venv ready: sh tools/setup.sh [base|test|dev|bench|notebook]. make runs it; it may be run by
# hand, and again. What the machine lacks is installed when this is root on a system with apt, and named otherwise.
set -eu
cd "$(dirname "$0")/.."
want=${1:-base}
venv=${VENV:-.venv}

say() { printf 'setup: %s\n' "$*"; }
stop() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# What interpreter $1 lacks: "good", "none" (does not run, or is older than 3.10), or a list of venv, headers.
lacks() {
    "$1" -c '
import os, sys, sysconfig
if sys.version_info < (3, 10):
    raise SystemExit(1)
lacking = []
try:
    import ensurepip, venv
except ImportError:
    lacking.append("venv")
if not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")):
    lacking.append("headers")
print(*lacking or ["good"])' 2>/dev/null || echo none
}

# The first Python >= 3.10 that has all it needs; failing that, the first one there is.
find_python() {
    first=
    for name in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
        state=$(lacks "$name")
        [ "$state" = good ] && { echo "$name"; return; }
        [ "$state" = none ] || [ -n "$first" ] || first=$name
    done
    echo "$first"
}

can_compile() {
    printf '#include <stdio.h>\nint main(void) { return puts("") < 0; }\n' | ${CC:-cc} -x c - -o /dev/null 2>/dev/null
}

# Sets python, needed (packages this cannot do without) and useful (packages it can).
look() {
    python=$(find_python) needed='' useful=''
    if [ -z "$python" ]; then
        needed='python3 python3-dev python3-venv'
    else
        name=$(basename "$python")
        case $(lacks "$python") in *venv*) needed="$needed $name-venv" ;; esac
        case $(lacks "$python") in *headers*) needed="$needed $name-dev" ;; esac
    fi
    can_compile || needed="$needed gcc libc6-dev"
    command -v make > /dev/null || needed="$needed make"
    command -v pkg-config > /dev/null || useful='pkg-config'
    for library in lz4 zstd; do # pages of tables can be packed with them
        pkg-config --exists "lib$library" 2> /dev/null || useful="$useful lib$library-dev"
    done
}

look
if [ -n "$needed$useful" ]; then
    packages=$(echo $needed $useful)
    apt_line="apt-get update && apt-get install -y --no-install-recommends $packages"
    if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
        say "this machine lacks: $packages. Installing with apt:"
        say "  $apt_line"
        log=$(mktemp)
        (export DEBIAN_FRONTEND=noninteractive; eval "$apt_line") > "$log" 2>&1 || {
            tail -n 20 "$log" >&2
            [ -z "$needed" ] || stop "apt could not install them; its last lines are above, all of them in $log"
            say "going on without $useful"
        }
        rm -f "$log"
        look
        [ -z "$needed" ] || stop "still missing after installing: $needed"
    elif [ -n "$needed" ]; then
        stop "this machine lacks: $packages. As root:
    $apt_line
then run the same command again. (Needed: Python >= 3.10 with venv and headers, a C compiler, make.)"
    else
        say "going on without $useful: tables cannot be packed with what is missing."
    fi
fi

if ! "$venv/bin/python" -m pip --version > /dev/null 2>&1; then
    say "making $venv with $python ($($python -c 'import platform; print(platform.python_version())'))"
    "$python" -m venv --clear "$venv" || stop "$python could not make a virtual environment. On Debian: apt-get install -y python3-venv"
fi

# --config-settings editable_mode=compat: the checkout on sys.path; the other mode looks through a finder of its own, which
# costs every start of Python a third more.
install() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" ||
        stop "pip could not install $*. The first run needs a package index that can be reached."
}

if [ ! -e "$venv/.base" ] || [ pyproject.toml -nt "$venv/.base" ] || [ tools/setup.sh -nt "$venv/.base" ]; then
    install --upgrade 'setuptools>=70.1' # the first that makes wheels, and so editable installs, by itself
    say "building the extension"
    "$venv/bin/python" setup.py --quiet build_ext --inplace
    install --no-build-isolation --no-deps --config-settings editable_mode=compat --editable .
    touch "$venv/.base"
fi
if [ "$want" != base ]; then
    say "installing what \`make $want\` needs"
    install --no-build-isolation --config-settings editable_mode=compat --editable ".[$want]"
    touch "$venv/.$want"
fi
