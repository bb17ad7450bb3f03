# Every target makes its own environment in .venv; nothing else needs to be installed first.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
URL ?=
ARGS ?=
RUNS ?= 3000
SEEDS ?= 10000
CASES ?= 200000

LOWEST := --ignore tests/unit/test_dependencies.py tests/unit tests/contract tests/main_job tests/cli tests/codegen/test_client.py tests/codegen/test_contract.py \
	tests/backends/test_redis.py

.PHONY: demo test test-lowest check audit bench chaos soak format clean help

help: ## Show what can be run
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 10

$(VENV)/.installed: pyproject.toml constraints.txt tools/environment.sh
	@tools/environment.sh "$(PYTHON)" "$(VENV)"

demo: $(VENV)/.installed ## Run the main job with a real worker; URL=redis://localhost:6379/0 runs it on Redis
	@$(BIN)/typedtasks demo $(if $(URL),--url "$(URL)")

test: $(VENV)/.installed ## Run all tests on SQLite, memory and a Redis of their own
	@tools/redis.sh
	@$(BIN)/python -m pytest

test-lowest: $(VENV)/.installed ## Run what matters with the lowest version of each dependency that pyproject.toml declares
	@tools/redis.sh
	@tools/lowest.sh "$(PYTHON)" "$(VENV)"
	@$(VENV)/lowest/bin/python -m pytest $(LOWEST)

check: $(VENV)/.installed ## Lint, type-check (mypy and pyright, strict), and hold the layers and the pinned versions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports
	@$(BIN)/pip check --disable-pip-version-check
	@$(BIN)/python tools/dependencies.py

audit: $(VENV)/.installed ## Ask PyPI for known vulnerabilities of the pinned versions; needs the network
	@"$(PYTHON)" -m venv $(VENV)/audit
	@$(VENV)/audit/bin/pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	@$(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

format: $(VENV)/.installed ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

chaos: $(VENV)/.installed ## Kill workers and Redis while 60,000 tasks run (ARGS="--help": only that), then run models, simulated worlds and hostile bytes
	@tools/redis.sh
	@$(BIN)/python -m tests.chaos $(ARGS)
	@$(if $(ARGS),,$(BIN)/python -m tests.model --runs $(RUNS) && $(BIN)/python -m tests.simulation --seeds $(SEEDS) && $(BIN)/python -m tests.fuzz --cases $(CASES))

soak: $(VENV)/.installed ## Run a worker under a steady load for an hour, and see whether anything grows; ARGS="--minutes 5"
	@tools/redis.sh
	@$(BIN)/python -m tests.chaos.soak $(ARGS)

bench: $(VENV)/.installed ## Measure beside other task queues, each in an environment of its own; ARGS="--quick", ARGS="--help"
	@tools/redis.sh
	@tools/postgres.sh
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[bench]"
	@$(BIN)/python -m benchmarks $(ARGS)

clean: ## Remove the environment and all caches
	rm -rf $(VENV) .benchmarks .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .typedtasks
