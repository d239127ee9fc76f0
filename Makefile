.DEFAULT_GOAL := help
.PHONY: run test check format fuzz crash isolation wheel bench help clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Two stamps: running the router needs less than testing it.
$(VENV)/run.stamp: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Spaces Router needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 run")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Making a virtual environment failed; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing Spaces Router into $(VENV) …"
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp
	@echo "Installing what the tests need …"
	@$(INSTALL) --editable '.[dev]'
	@touch $@

run: $(VENV)/run.stamp ## Install, start the router with sample deliveries, show the forwarded messages; Ctrl-C ends it
# With job control the terminal sends Ctrl-C to the router alone; make would otherwise end by it too, with an error.
	@if [ -t 0 ]; then set -m; fi; $(BIN)/spaces-router demo

test: $(VENV)/test.stamp ## Install and run the whole suite
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

check: $(VENV)/test.stamp ## Format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/test.stamp ## Put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

fuzz: $(VENV)/test.stamp ## Look for what nobody thought of, for about an hour; FUZZ_EXAMPLES=500 is a quarter of that
	HYPOTHESIS_PROFILE=explore $(BIN)/python -m pytest -m hypothesis --timeout 0 --numprocesses 2 --dist worksteal

crash: $(VENV)/test.stamp ## The long durability runs: 2,000 events, 20 kills; then 200 versions of the rule file
	$(BIN)/python scripts/crash.py
	$(BIN)/python scripts/reload.py

isolation: $(VENV)/test.stamp ## How soon messages arrive while another destination hangs
	$(BIN)/python scripts/isolation.py

wheel: $(VENV)/test.stamp ## Build the package and try it on every version of Python that is found
	WHEEL_PYTHONS=all $(BIN)/python -m pytest tests/test_wheel.py

bench: $(VENV)/test.stamp ## Measure against a bare Tornado handler; needs wrk
	$(BIN)/python bench/bench.py

clean: ## Remove what was installed and built
	rm -rf $(VENV) dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

help: ## This list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10
