SHELL := bash
.DEFAULT_GOAL := help
PYTHON ?= python3
SWEEP ?= sweeps/digits.yaml
RESULTS ?= results
BIN := .venv/bin
PINS := pyproject.toml constraints.txt
# Those that need no data and are not long; the last writes the table of the docs.
BENCHMARKS := loss augment step probe information kmeans packing query trials gpu table
# What of them is left out to keep the whole within its time.
bench-loss := --threads 1
bench-information := --repetitions 3
bench-trials := --recipe-trials 6
bench-search := --figure docs/images/search-replay.svg

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

sweep: .venv/ready$(if $(CLUSTER),-cluster)  ## run a sweep: SWEEP=sweeps/digits.yaml RESULTS=results FRESH=1 CLUSTER=cluster.yaml
	@$(BIN)/clinfonce sweep $(SWEEP) --results $(RESULTS) $(if $(FRESH),--fresh) $(if $(CLUSTER),--cluster $(CLUSTER))

cluster-up: .venv/ready-cluster  ## start the machines of CLUSTER=cluster.yaml
	@$(BIN)/clinfonce cluster up $(or $(CLUSTER),cluster.yaml)

cluster-down: .venv/ready-cluster  ## stop Ray on the machines of CLUSTER=cluster.yaml, end rented ones
	@$(BIN)/clinfonce cluster down $(or $(CLUSTER),cluster.yaml)

test: .venv/ready-test .venv/ready-trackers  ## run the tests but the slow ones
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow and not cluster"

test-slow: .venv/ready-test .venv/ready-trackers  ## run the slow tests, and those in a browser
	@$(BIN)/python -m pytest --maxfail 2 -n 2 --dist loadfile --no-loadscope-reorder -m "(slow or browser) and not cluster"

test-oldest: .venv-oldest/ready  ## run the fast tests with the oldest packages that pyproject.toml admits
	@.venv-oldest/bin/python -m pytest -n 2 --dist loadgroup -m "not slow and not cluster"

mutants: .venv/ready-test .venv/ready-mutants  ## change the core at random and see whether a test notices (half an hour)
	@$(BIN)/python -m tests.mutants

test-cluster: .venv/ready-test .venv/ready-cluster  ## run a sweep on three hosts in namespaces (root, Linux)
	@$(BIN)/python -m tests.cluster

check: .venv/ready-check  ## lint, format and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: .venv/ready-check  ## put every file into its format
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: .venv/ready-bench  ## measure speed and memory beside other packages
	@echo "About 35 minutes on two idle cores; make bench BENCHMARKS='augment probe' runs only those."
	@$(foreach name,$(BENCHMARKS),echo "== $(name)"; $(BIN)/python benchmarks/$(name).py $(bench-$(name)) || exit 1;)

clean:  ## remove the virtual environment and caches, not the results
	@rm -rf .venv .venv-oldest .pytest_cache .mypy_cache .ruff_cache *.egg-info

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

# PyTorch and torchvision are those of constraints.txt, all else is as old as it may be.
.venv-oldest/ready: .venv/created $(PINS)
	@echo "Installing the oldest packages into .venv-oldest (once; some minutes) ..." >&2
	@$(BIN)/python -m venv .venv-oldest && $(BIN)/python -m tests.oldest > .venv-oldest/lowest.txt
	@.venv-oldest/bin/python -m pip install -qq -c .venv-oldest/lowest.txt -e '.[test]' && touch $@

.PHONY: help sweep cluster-up cluster-down test test-slow test-oldest mutants test-cluster check format bench clean
.SECONDARY:
