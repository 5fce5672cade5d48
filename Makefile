# The commands a newcomer needs are `make demo`, `make check` and `make test`; each sets up .venv first, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Microsoft's own worker library, so that the tests run the app as Azure does. It asks for Python 3.13 and works on 3.11.
FUNCTIONS_RUNTIME := azure-functions-runtime==1.3.0 azurefunctions-extensions-base==1.2.0
# What Azure installs for the app, and nothing else: the tests boot the package in it.
DEPLOYED := $(VENV)/deployed/.ready
# Its own environment, because it pins what others need newer; the newer parser reads all of our Bicep.
CHECKOV := checkov==3.3.30
PYCEP := pycep-parser==0.7.1
SCANNER := $(VENV)/scanner/.ready
# Installs ten times faster than pip, which brings it.
UV := uv==0.13.9
INSTALL := $(BIN)/uv pip install --quiet
AZURITE := node_modules/azurite/package.json
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --no-header --quiet

# Containers tend to forbid it, and then each of the hundreds of processes compiles what it imports again.
export PYTHONDONTWRITEBYTECODE :=
# Workers that are done take tests from those that are not.
TESTS := $(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist worksteal
FAST := -m "not servers" tests/unit tests/contract tests/recipes shared

.PHONY: demo check test package deployed sample picture scan azurite lint format bench soak lock lock-check clean

demo: $(READY)
	@$(BIN)/lineage demo --out out

# What one runs after each change: in process or in SQLite, no Azurite, no browser, nothing that takes minutes.
check: $(READY)
	$(TESTS) $(FAST)

test: $(READY) $(DEPLOYED) azurite
	$(TESTS)

# What a deployment sends, as build/package and build/package.zip, and what it imports.
package: $(READY) $(DEPLOYED)
	@$(BIN)/python -m tools.package

deployed: $(DEPLOYED)

# The four steps of the sample pipeline, here, as their components say; prints accuracy and AUC.
sample: $(READY)
	@$(BIN)/python -m samples.credit_risk --out out/sample

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The README's picture: the explorer on what the demo publishes; needs Chromium.
picture: $(READY)
	@$(BIN)/python -m tools.picture docs/images/lineage.png

# Looks for what is unsafe in infra/; each exception is explained where it is made. What it follows of a name depends on the
# order of a set, hence the seed.
scan: $(SCANNER)
	@PYTHONHASHSEED=0 $(VENV)/scanner/bin/checkov --directory infra --framework bicep --compact --quiet --skip-download \
		> $(VENV)/scanner/report.txt; status=$$?; cat $(VENV)/scanner/report.txt; \
		if grep "Parsing errors" $(VENV)/scanner/report.txt; then exit 1; fi; exit $$status

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) azurite
	@$(BIN)/python -m benchmarks

# Twenty thousand deliveries under faults, with the publisher killed fifty times; about ten minutes.
soak: $(READY) azurite
	@$(BIN)/python -m benchmarks.soak

# Compiles pyproject.toml into pinned requirements. Pins already there are kept; `rm` a file first to upgrade all of it.
lock: $(READY)
	$(COMPILE) --output-file requirements.txt
	$(COMPILE) --extra dev --constraint requirements.txt --output-file requirements-dev.txt

lock-check: lock
	git diff --exit-code -- requirements.txt requirements-dev.txt

# Azure Storage for the tests. Without Node the tests that need it are skipped, and pytest's summary says so.
azurite:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(AZURITE); \
		else echo "npm is not installed: tests on Azure Storage are skipped (install Node 20 to run them)"; fi

$(AZURITE): package.json
	@echo "Installing Azurite (once; half a minute) ..."
	@npm install --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

clean:
	rm -rf $(VENV) node_modules build out .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info

$(READY): requirements-dev.txt pyproject.toml
	@echo "Setting up $(VENV) (once; less than a minute) ..."
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
		|| { echo "Python 3.11, 3.12 or 3.13 is needed, and $(PYTHON) is none. Try: make demo PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(UV)
	@$(INSTALL) --python $(BIN)/python --requirement requirements-dev.txt
	@$(INSTALL) --python $(BIN)/python --no-deps --editable .
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python \
		--upgrade --target $(VENV)/functions-runtime $(FUNCTIONS_RUNTIME)
	@touch $@

$(DEPLOYED): requirements.txt | $(READY)
	@echo "Setting up $(VENV)/deployed with what Azure installs (once; less than a minute) ..."
	@rm -rf $(VENV)/deployed
	@$(BIN)/python -m venv $(VENV)/deployed
	@$(INSTALL) --python $(VENV)/deployed/bin/python --requirement requirements.txt
	@touch $@

$(SCANNER): Makefile | $(READY)
	@echo "Setting up $(VENV)/scanner (once; less than a minute) ..."
	@rm -rf $(VENV)/scanner
	@$(BIN)/python -m venv $(VENV)/scanner
	@$(INSTALL) --python $(VENV)/scanner/bin/python $(CHECKOV)
	@$(INSTALL) --python $(VENV)/scanner/bin/python --no-deps $(PYCEP)
	@touch $@
