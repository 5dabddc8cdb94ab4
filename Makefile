# `make` lists the tasks. The first one that needs it makes .venv from uv.lock; after that the set-up costs nothing.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
UV_VERSION := $(shell sed -n '/^name = "uv"$$/{n;s/^version = "\(.*\)"/\1/p;}' uv.lock)
RUNNER := $(BIN)/python -m pytest
CHECKS := example mypy basedpyright javascript lock lint imports openapi docs

.SILENT:
.SUFFIXES:
.PHONY: help run test bench check lock format lint types mypy basedpyright imports coverage openapi docs javascript client example wheel vendor clean

help: ## list the tasks
	awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

run: $(READY) ## start the service on 127.0.0.1:8000 (HOST, PORT, or .env say otherwise); data in .notify
	grep -Eqs '^(export )?NOTIFY_DATA_DIR=' .env || export NOTIFY_DATA_DIR="$${NOTIFY_DATA_DIR:-$(CURDIR)/.notify}"; \
	exec $(BIN)/notify serve

test: $(READY) ## run the whole test suite (ARGS="-k inbox" for a part)
	$(BIN)/python scripts/chromium.py
	$(RUNNER) $(ARGS)

bench: $(READY) ## how fast is it here? (ARGS="fanout --connections 2000" for something else)
	$(BIN)/notify bench --fresh $(ARGS)

check: $(READY) ## everything that CI checks, the test suite included
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(CHECKS)
	$(MAKE) --no-print-directory test
	echo "check: passed ($(CHECKS) test)"

lock: $(READY) ## is uv.lock current?
	$(BIN)/uv lock --check --quiet || { echo "uv.lock is not current: run .venv/bin/uv lock" >&2; exit 1; }

format: $(READY) ## format the code and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lint: $(READY) ## format and style of the code
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: mypy basedpyright ## both of these

mypy: $(READY) ## types, by mypy
	$(BIN)/mypy

basedpyright: $(READY) ## types, by basedpyright
	$(BIN)/basedpyright

imports: $(READY) ## the arrows between the rooms
	$(BIN)/lint-imports --no-logo

coverage: $(READY) ## the test suite, and which lines and branches it reached
	$(BIN)/coverage erase
	$(MAKE) --no-print-directory test RUNNER="$(BIN)/coverage run -m pytest"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

openapi: $(READY) ## are openapi/openapi.json and asyncapi.json what the code says?
	$(BIN)/notify openapi --check
	$(BIN)/notify asyncapi --check

docs: $(READY) ## is the README's table of settings what the code says?
	$(BIN)/notify settings --check README.md

javascript: $(READY) ## types, minified copy and weight of the JavaScript client
	$(BIN)/python scripts/client.py --check

client: $(READY) ## make the minified copy of the JavaScript client
	$(BIN)/python scripts/client.py

example: $(READY) ## install, build and check examples/nextjs (needs the npm registry)
	$(BIN)/python scripts/example.py

wheel: $(READY) ## build the wheel into dist/
	$(BIN)/uv build --quiet --wheel --out-dir dist

vendor: ## fetch the scripts of the documentation pages at their pinned versions (needs npm)
	$(PYTHON) scripts/vendor.py

clean: ## remove .venv and what the tools leave behind; data in .notify stays
	rm -rf .venv dist htmlcov .coverage .coverage.* .*_cache .hypothesis .schemathesis

$(READY): pyproject.toml uv.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "notify needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "this Python has no venv; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	echo "Setting up .venv (once) ..." >&2
	$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	$(BIN)/uv --version 2>/dev/null | grep -qF "uv $(UV_VERSION) " || \
		$(BIN)/python -m pip install -qq --disable-pip-version-check "uv==$(UV_VERSION)"
	UV_PROJECT_ENVIRONMENT=.venv $(BIN)/uv sync --frozen --quiet --compile-bytecode
	touch $@
