# Everything a developer of lsmkv does. `make help` lists it; the C library alone is csrc/Makefile.

VENV ?= .venv
JOBS ?= $(shell nproc)
PY := $(VENV)/bin/python
PYTEST := $(VENV)/bin/pytest
# A file of tests stays with one process: what it builds, it builds once.
SPREAD := -n $(JOBS) --dist loadfile
C := @+$(MAKE) --no-print-directory -s -j$(JOBS) -C csrc
export VENV

# The C tests in which threads meet.
THREADED := test_epoch test_memtable test_order test_granules test_commit test_registry test_scan test_write_if test_transaction test_leaps

.DEFAULT_GOAL := help
.PHONY: help demo test check change lab matrix sanitized bench notebook fmt lint types build sdist clean

help: ## this list
	@echo 'lsmkv: an embedded LSM key-value store.'
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

demo: build ## set everything up and run the main job on real data
	@$(VENV)/bin/lsmkv demo

test: build $(VENV)/.test ## set everything up; all quick C tests and all Python tests (at most 5 minutes)
	$(C) check
	@$(PYTEST) $(SPREAD)

check: build $(VENV)/.test ## while developing: quick C tests and quick Python tests (at most 2 minutes)
	$(C) check
	@$(PYTEST) $(SPREAD) -m 'not slow'

change: build $(VENV)/.test ## what every change must pass: types, sanitizers, and the families at their change floors
	@+$(MAKE) --no-print-directory types
	$(C) check SAN=address,undefined
	$(C) check SAN=thread TEST='$(THREADED)'
	@+$(MAKE) --no-print-directory sanitized
	@LSMKV_MODEL_STEPS=60000 $(PYTEST) -n $(JOBS) tests/test_model.py
	@$(PY) tools/families.py change

lab: build $(VENV)/.test ## the same families at their release floors (hours)
	@$(PY) tools/families.py lab

sanitized: $(VENV)/.test ## quick Python tests of the extension, built under ASan and UBSan
	@sh tools/sanitized.sh $(SPREAD) -m 'not slow' $(foreach one,cli* demo c_library families layers memory notebooks real_files,--ignore-glob='*/test_$(one).py')

matrix: ## build and quick-test with every CPython >= 3.10 on this machine
	@sh tools/matrix.sh

bench: build $(VENV)/.bench ## the benchmarks, peers side by side where they can be installed
	@$(PYTEST) benchmarks

notebook: build $(VENV)/.notebook ## open the first notebook, examples/first_steps.ipynb, in JupyterLab
	@$(VENV)/bin/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) examples/first_steps.ipynb

fmt: $(VENV)/.dev ## format the C and the Python
	@$(VENV)/bin/clang-format -i $(C_TEXT)
	@$(VENV)/bin/ruff check --quiet --fix-only . && $(VENV)/bin/ruff format --quiet .

lint: $(VENV)/.dev ## fail when `make fmt` would change something or ruff finds something
	@$(VENV)/bin/clang-format --dry-run --Werror $(C_TEXT)
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .

types: build $(VENV)/.dev ## mypy and pyright over the package and tests/typing; stubtest
	@$(VENV)/bin/mypy
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(VENV)/bin/pyright --pythonpath $(PY)
	@$(VENV)/bin/stubtest lsmkv._core lsmkv.codecs lsmkv.dbm lsmkv.aio --allowlist tests/typing/stubtest.txt

build: $(VENV)/.built ## the extension, in place, for .venv

sdist: $(VENV)/.base ## the source distribution, in dist/
	@$(PY) -c 'import setuptools.build_meta as backend; print("dist/" + backend.build_sdist("dist"))' | tail -n 1

clean: ## remove everything that was built, the environment in .venv too
	rm -rf build dist $(VENV) *.egg-info lsmkv/*.so .hypothesis .pytest_cache .mypy_cache .ruff_cache

# ---- what the above rests on ------------------------------------------------------------------

C_TEXT = $(wildcard csrc/*.c csrc/*/*.[ch] tests/c/*.[ch] tests/c/*/*.[ch] tests/faults/*.[ch] tests/faults/*/*.[ch] benchmarks/c/*.[ch] examples/*.c)

$(VENV)/.base: pyproject.toml tools/setup.sh
	@sh tools/setup.sh base
$(VENV)/.test $(VENV)/.dev $(VENV)/.bench $(VENV)/.notebook: $(VENV)/.%: $(VENV)/.base
	@sh tools/setup.sh $*

# setup.py compiles only what changed; this only spares starting it.
$(VENV)/.built: $(wildcard csrc/*.c csrc/*/*.[ch] csrc/SOURCES csrc/exports-core.map) setup.py $(VENV)/.base
	@$(PY) setup.py --quiet build_ext --inplace
	@touch $@
