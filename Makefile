SHELL := bash
.DEFAULT_GOAL := help
PYTHON ?= python3
SWEEP ?= sweeps/digits.yaml
RESULTS ?= results
BIN := .venv/bin
PINS := pyproject.toml constraints.txt

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

sweep: .venv/ready  ## run a sweep: SWEEP=sweeps/digits.yaml RESULTS=results FRESH=1
	@$(BIN)/clinfonce sweep $(SWEEP) --results $(RESULTS) $(if $(FRESH),--fresh)

test: .venv/ready-test  ## run the tests but the slow ones
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow"

test-slow: .venv/ready-test  ## run the slow tests
	@$(BIN)/python -m pytest -m slow

check: .venv/ready-check  ## lint, format and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: .venv/ready-check  ## put every file into its format
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: .venv/ready-bench  ## measure speed and memory beside other packages
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:  ## remove the virtual environment and caches, not the results
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache *.egg-info

.venv/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "clinfonce needs Python 3.11 or newer; name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv .venv && touch $@

.venv/ready: .venv/created $(PINS)
	@echo "Installing clinfonce and its packages into .venv (once; one to three minutes) ..." >&2
	@$(BIN)/python -m pip install -qq -c constraints.txt -e . && touch $@

.venv/ready-%: .venv/ready
	@echo "Installing what 'make $*' needs into .venv (once) ..." >&2
	@$(BIN)/python -m pip install -qq -c constraints.txt -e '.[$*]' && touch $@

.PHONY: help sweep test test-slow check format bench clean
.SECONDARY:
