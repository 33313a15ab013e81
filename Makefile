# Needs Python 3.11 or newer and make. Everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-ray test-units test-rest fuzz chaos lint format docs bench bench-quick clean

demo: .venv/installed
	$(BIN)/radsweep demo

# Three processes on two cores: tests also wait, for servers and for Ray.
UNITS := $(addprefix tests/,augment data evaluation models objectives training)

test: .venv/installed
	$(MAKE) --no-print-directory --jobs=3 --output-sync=target test-ray test-units test-rest

test-ray: .venv/installed
	$(BIN)/python -m pytest -m "not slow and ray"

test-units: .venv/installed
	$(BIN)/python -m pytest -m "not slow and not ray" $(UNITS)

test-rest: .venv/installed
	$(BIN)/python -m pytest -m "not slow and not ray" $(addprefix --ignore=,$(UNITS))

# 5,000 damaged sources of every importer, in about eight minutes; the suite runs the first 200.
fuzz: .venv/installed
	$(BIN)/python -m pytest -m slow tests/data/importers/test_fuzz.py

chaos: .venv/installed
	$(BIN)/python -m pytest -m slow -s

lint: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: .venv/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[full,docs]"
	$(BIN)/python docs/reference
	$(BIN)/mkdocs build --strict

bench: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[full,bench]"
	for file in benchmarks/[a-z]*.py; do case $$file in */common.py|*/stock.py|*/simulated_curves.py|*/convergence_oracle.py|*/record_curves.py) ;; *) $(BIN)/python $$file --json || exit 1;; esac; done

bench-quick: .venv/installed
	$(BIN)/python -m pytest tests/benchmarks

clean:
	rm -rf .venv build demo .pytest_cache .mypy_cache .ruff_cache

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("radsweep needs Python 3.11 or newer: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[full,dev]"
	touch $@
