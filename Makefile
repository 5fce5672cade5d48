# The two commands a newcomer needs are `make demo` and `make test`; both set up .venv first, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --no-header --quiet

.PHONY: demo test lint format bench lock lock-check clean

demo: $(READY)
	@$(BIN)/lineage demo --out out

test: $(READY)
	$(BIN)/pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	@$(BIN)/python -m benchmarks

# Compiles pyproject.toml into pinned requirements. Pins already there are kept; `rm` a file first to upgrade all of it.
lock: $(READY)
	$(COMPILE) --output-file requirements.txt
	$(COMPILE) --extra dev --constraint requirements.txt --output-file requirements-dev.txt

lock-check: lock
	git diff --exit-code -- requirements.txt requirements-dev.txt

clean:
	rm -rf $(VENV) out .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info

$(READY): requirements-dev.txt pyproject.toml
	@echo "Setting up $(VENV) (once; about a minute) ..."
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
		|| { echo "Python 3.11, 3.12 or 3.13 is needed, and $(PYTHON) is none. Try: make demo PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@
