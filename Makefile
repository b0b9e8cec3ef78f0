# Everything a fresh machine needs is Python 3.11+ and make.
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not sys.version_info >= (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
export PYTHONDONTWRITEBYTECODE ?=

.PHONY: help demo chaos test lint check-types tests bench lock setup clean

help:
	@echo "make demo   set up, render examples/ into a film, show where it is"
	@echo "make test   set up, run every check (format, lint, types, import contracts, tests)"
	@echo "make bench  set up, run the benchmarks"
	@echo "make chaos  set up, run the whole fleet under fire: SEED=7 RUNS=20 DATABASE=sqlite|postgresql|both"
	@echo "make lock   resolve pyproject.toml anew into requirements.lock"

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or name it with make PYTHON=/path/to/python3.12"; exit 5; }
	@echo "Setting up .venv with $(PYTHON): this takes a few minutes, once."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup
	@$(BIN)/dailies run examples/lighthouse/storyboard.yaml -o out/lighthouse.mp4

test: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadfile

bench: setup
	$(BIN)/python -m benchmarks

chaos: setup
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) --runs $(or $(RUNS),10) --database $(or $(DATABASE),both)

lock: setup
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --group dev --extra flower --extra postgres --no-emit-index-url --no-emit-find-links --no-header --quiet -o requirements.lock

clean:
	rm -rf .venv .dailies out
