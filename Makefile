# Needs make, a POSIX shell and Python 3.11 or newer; everything else goes into .venv.

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
STAMP := .venv/installed
DEV_STAMP := .venv/installed-dev

.PHONY: help up test lint benchmark lock clean

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

up: $(STAMP)  ## start everything on this machine; Ctrl-C stops it
	@exec $(BIN)/ponderd up

lint: $(DEV_STAMP)  ## style, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

test: lint  ## lint, all tests, and one scenario on the embedded model
	$(BIN)/pytest
	$(BIN)/pytest -m model

benchmark: $(DEV_STAMP)  ## measure speed (docs/benchmarks.md)
	$(BIN)/pytest -m benchmark -s

lock:  ## pin requirements anew from pyproject.toml (needs uv)
	uv pip compile $(LOCK) --group build pyproject.toml -o requirements.txt
	uv pip compile $(LOCK) --group pyproject.toml:dev -c requirements.txt -o requirements-dev.txt
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header

clean:  ## remove .venv and caches; data and the model file stay
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find channels workers daemon tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(DEV_STAMP): $(STAMP) requirements-dev.txt
	@echo "installing the tools of the developers into .venv"
	@$(INSTALL) --require-hashes -r requirements-dev.txt
	@touch $@

$(STAMP): requirements.txt pyproject.toml .venv/bin/pip
	@echo "installing ponderd and what it needs into .venv (once)"
	@$(INSTALL) --require-hashes -r requirements.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/bin/pip:
	@for python in "$(PYTHON)" python3 python3.13 python3.12 python3.11; do \
	  command -v "$$python" >/dev/null 2>&1 || continue; \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  found="$$python"; \
	  "$$python" -c 'import ensurepip, venv' 2>/dev/null || continue; \
	  exec "$$python" -m venv --clear .venv; \
	done; \
	if [ -n "$$found" ]; then \
	  echo "$$found cannot make virtual environments; on Debian or Ubuntu: apt install python3-venv" >&2; \
	else \
	  echo "ponderd needs Python 3.11 or newer on PATH (or: make up PYTHON=/path/to/python3)" >&2; \
	fi; \
	exit 1
