#!/bin/sh
# Builds the extension under ASan and UBSan beside the ordinary one and runs pytest on it, with the arguments given.
set -eu
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
lib=$PWD/build/python-sanitized
LSMKV_SANITIZE=address,undefined "$venv/bin/python" setup.py --quiet build --build-lib "$lib"

# The sanitizer must be loaded before the interpreter. Python keeps some memory until it ends, so leaks are looked
# for in the C tests; what Python allocates goes through malloc, where ASan can see it.
LD_PRELOAD=$(${CC:-cc} -print-file-name=libasan.so):$(${CC:-cc} -print-file-name=libubsan.so) \
ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=1:allocator_may_return_null=1 \
UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
PYTHONMALLOC=malloc PYTHONPATH=$lib LSMKV_SANITIZED=1 LSMKV_EXPECT_CORE_UNDER=$lib \
    "$venv/bin/pytest" --import-mode=importlib -p no:cacheprovider "$@"
