# Every target that needs the environment makes it first. `make` alone prints this list.

PYTHON ?= python3
BIN    := .venv/bin
READY  := .venv/.ready
CONFIG ?= --config conf/base.yaml --config conf/campaigns/coupon.yaml
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test test-quick test-long check format bench lock clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(READY)  ## virtual environment with pinned packages; Java only if the machine has none

demo: $(READY)  ## simulated campaign through every job, from experiment log to published segments
	@$(BIN)/python -m jobs.run_campaign $(CONFIG)

serve: $(READY)  ## decision API on the run that was published last
	@$(BIN)/python -m serving $(CONFIG)

test: $(READY)  ## all tests
	@$(PYTEST) -m "not long"

test-quick: $(READY)  ## the tests without Spark, under 40 seconds
	@$(PYTEST) -m "not spark and not slow and not long"

test-long: $(READY)  ## all tests, with the long loops and statistics
	@$(PYTEST)

check: $(READY)  ## format, lint, types, tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(MAKE) --no-print-directory test

format: $(READY)  ## put the code in form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(READY)  ## benchmarks, one table: ours, peer, floor, ratio
	@$(BIN)/python -m pytest tests/benchmarks --override-ini addopts=--strict-markers -q

lock: $(READY)  ## pin all packages anew, from pyproject.toml
	@$(BIN)/uv pip compile -q pyproject.toml --extra dev --python-version 3.11 \
		--no-header --upgrade -o requirements.txt

clean:  ## remove the environment and every built file
	rm -rf .venv .workspace build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# uv where it can be had, else pip. The lock is complete, so nothing is resolved here.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 13) else \
		"error: Python %d.%d found, 3.11 or 3.12 is needed; say PYTHON=python3.11" % sys.version_info[:2])'
	@echo "setting up .venv (once, about a minute)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv 2>/dev/null || true
	@if [ -x $(BIN)/uv ]; then \
		$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -r requirements.txt -e .; \
	else \
		$(BIN)/python -m pip install --quiet --no-deps -r requirements.txt -e .; \
	fi
	@$(BIN)/python -m uplift.spark.java || $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-deps $$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["java"])')
	@touch $@
