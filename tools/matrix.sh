#!/bin/sh
# Builds and quick-tests lsmkv with every CPython >= 3.10 found on PATH and in pyenv, each in an environment of its own
# below build/matrix.
set -eu
cd "$(dirname "$0")/.."
top=$PWD seen=' ' passed='' failed=''

# Version, and what keeps lsmkv from being built with it, if anything does.
identify='
import os, platform, sys, sysconfig
if sys.implementation.name != "cpython" or sys.version_info < (3, 10):
    raise SystemExit(1)
free = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
debug = "d" if hasattr(sys, "gettotalrefcount") else ""
try:
    import ensurepip, venv
    missing = "" if os.path.exists(sysconfig.get_paths()["include"] + "/Python.h") else "its headers"
except ImportError:
    missing = "its venv module"
print(platform.python_version() + free + debug, missing)'

one() { # name, interpreter
    venv=$top/build/matrix/$1
    "$2" -m venv --clear "$venv" &&
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$top[test]" &&
        (cd "$venv" && LSMKV_EXPECT_CORE_UNDER=$venv bin/pytest -c "$top/pyproject.toml" --rootdir "$top" \
            --import-mode=importlib -p no:cacheprovider -m 'not slow' "$top/tests")
}

mkdir -p build/matrix
candidates() {
    echo "$PATH" | tr : '\n' | while read -r folder; do
        ls "$folder"/python3 "$folder"/python3.[0-9][0-9] "$folder"/python3.[0-9][0-9][td] 2> /dev/null || :
    done
    ls "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python 2> /dev/null || :
}

for python in $(candidates); do
    identity=$("$python" -c "$identify" 2> /dev/null) || continue
    version=${identity%% *} missing=${identity#* }
    case $seen in *" $version "*) continue ;; esac
    seen="$seen$version "
    if [ -n "$missing" ]; then
        echo "== CPython $version: skipped, $missing is not installed"
        continue
    fi
    echo "== CPython $version"
    if one "$version" "$python" > "build/matrix/$version.log" 2>&1; then
        passed="$passed $version"
        tail -n 1 "build/matrix/$version.log"
    else
        failed="$failed $version"
        tail -n 40 "build/matrix/$version.log"
    fi
done
echo "== passed:${passed:- none}; failed:${failed:- none}"
[ -n "$passed" ] && [ -z "$failed" ]
