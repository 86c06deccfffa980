# Quire. Every target sets up what it needs first: a clone and Python 3.11 or newer are enough.
.DEFAULT_GOAL := help
.PHONY: help shop-test shop-bench shop-if-possible setup servers shop client run demo test long-test faults lint format bench bench-check lock clean

BIN := .venv/bin
# Extra words for the command behind a target: make run ARGS="--port 9000", make test ARGS="tests/broker -k retry".
ARGS ?=

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 10

setup: .venv/.ready ## make .venv from requirements.lock

.venv/.ready: requirements.lock pyproject.toml ops/install/setup.sh ops/install/python.sh
	@PYTHON="$(PYTHON)" ops/install/setup.sh
	@touch $@

# What the built shop is made from; without Node the API runs alone, and its first page says how to get the shop.
SHOP := $(shell find web/src web/public web/scripts web/index.html web/package.json web/package-lock.json web/tsconfig.json web/vite.config.ts -type f)

shop: web/dist/index.html ## the shop for people, built where Node is there or can be had

web/dist/index.html: $(SHOP) | .venv/.ready
	@ops/install/shop.sh build

client: setup ## the shop's API client, from the OpenAPI document; nothing needs to run for it
	@$(BIN)/python -m ops.openapi | ops/install/shop.sh client -- -

servers: ## install the servers that the tests talk to (Debian, as root), or say what is missing
	@ops/install/servers.sh
	@ops/install/rabbitmq4.sh

# What a run or a test wants of the shop is not all that it wants: without a network for npm the rest goes on.
shop-if-possible: setup
	@$(MAKE) --no-print-directory shop || echo "Quire: the shop could not be built (the reason is above); the API runs without" >&2

run: setup shop-if-possible ## Quire in one process, at http://127.0.0.1:8000
	@exec $(BIN)/quire up $(ARGS)

demo: setup ## a shopper's whole journey, step by step
	@exec $(BIN)/quire demo $(ARGS)

test: setup servers shop-if-possible ## every test but the long ones
	@exec $(BIN)/pytest -m "not long" $(ARGS)

shop-test: setup servers shop-if-possible ## the shop in a real browser
	@exec $(BIN)/pytest tests/web $(ARGS)

long-test: setup servers shop-if-possible ## the tests that take minutes: planted bugs, the image, the benchmarks
	@exec $(BIN)/pytest -m long $(ARGS)

# As many as are asked for, under as many orders, drawn from one seed; on RabbitMQ 3.10 or 4.0, 1 or 3 nodes.
FAULTS ?= 40
ORDERS ?= 5000
SEED ?= 1
RABBITMQ ?= 4.0
NODES ?= 3
faults: setup servers ## faults under load: make faults FAULTS=40 ORDERS=5000 SEED=1 RABBITMQ=4.0 NODES=3
	@exec $(BIN)/python -m tests.faults --faults $(FAULTS) --orders $(ORDERS) --seed $(SEED) --rabbitmq $(RABBITMQ) --nodes $(NODES) $(ARGS)

lint: setup ## ruff, mypy --strict, import directions; the shop's types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@ops/install/shop.sh check

format: setup ## what ruff can put right by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup servers ## the benchmarks
	@exec $(BIN)/quire bench $(ARGS)

bench-check: setup servers ## the benchmarks' ratios and budgets against those kept, in a few minutes
	@exec $(BIN)/quire bench --check $(ARGS)

shop-bench: setup servers shop ## how soon a first visit to the shop shows what it came for
	@exec $(BIN)/python -m ops.bench.first_paint $(ARGS)

# One lock for every platform and for Python 3.11 on. It records hashes, and no host that they came from.
# UPGRADE=--upgrade takes the newest versions that pyproject.toml allows.
lock: setup ## requirements.lock from pyproject.toml
	$(BIN)/uv --no-config pip compile --quiet --universal --generate-hashes --python-version 3.11 --all-extras \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links $(UPGRADE) pyproject.toml -o requirements.lock

clean: ## .venv and what the tools left behind
	rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
