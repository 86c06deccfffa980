# Quire. Every target sets up what it needs first: a clone and Python 3.11 or newer are enough.
.DEFAULT_GOAL := help
.PHONY: help shop-test setup servers shop client run demo test faults lint format bench bench-check lock clean

BIN := .venv/bin
# Extra words for the command behind a target: make run ARGS="--port 9000", make test ARGS="tests/broker -k retry".
ARGS ?=

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 10

setup: .venv/.ready ## make .venv from requirements.lock

.venv/.ready: requirements.lock pyproject.toml ops/install/setup.sh
	@PYTHON="$(PYTHON)" ops/install/setup.sh
	@touch $@

# What the built shop is made from; without Node the API runs alone, and its first page says how to get the shop.
SHOP := $(shell find web/src web/public web/index.html web/package-lock.json web/vite.config.ts -type f)

shop: web/dist/index.html ## the shop for people, built where Node is there

web/dist/index.html: $(SHOP)
	@if command -v npm >/dev/null; then npm --prefix web ci && npm --prefix web run build; \
	else echo "No npm here: the shop is not built (Node 20.19 or newer builds it), the API runs without"; fi

client: ## the shop's API client, from the OpenAPI document of a running Quire (QUIRE_URL)
	@npm --prefix web run client

servers: ## install the servers that the tests talk to (Debian, as root), or say what is missing
	@ops/install/servers.sh

run: setup shop ## Quire in one process, at http://127.0.0.1:8000
	@exec $(BIN)/quire up $(ARGS)

demo: setup ## a shopper's whole journey, step by step
	@exec $(BIN)/quire demo $(ARGS)

test: setup servers ## every test but the long ones
	@exec $(BIN)/pytest -m "not long" $(ARGS)

shop-test: setup servers ## the shop in a real browser
	@exec $(BIN)/pytest tests/web $(ARGS)

faults: setup servers ## everything that kills, freezes and cuts off, the long ones too
	@exec $(BIN)/pytest tests/faults $(ARGS)

lint: setup ## ruff, mypy --strict, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## what ruff can put right by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup servers ## the benchmarks
	@exec $(BIN)/quire bench $(ARGS)

bench-check: setup servers ## the benchmarks' ratios and budgets against those kept, in a few minutes
	@exec $(BIN)/quire bench --check $(ARGS)

# One lock for every platform and for Python 3.11 on. It records hashes, and no host that they came from.
# UPGRADE=--upgrade takes the newest versions that pyproject.toml allows.
lock: setup ## requirements.lock from pyproject.toml
	$(BIN)/uv --no-config pip compile --quiet --universal --generate-hashes --python-version 3.11 --all-extras \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links $(UPGRADE) pyproject.toml -o requirements.lock

clean: ## .venv and what the tools left behind
	rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
