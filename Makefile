# Two commands need to be remembered: `make run` and `make test`. `make help` lists the rest.

PYTHON ?= python3
UV := .tools/bin/uv
BIN := .venv/bin

# Compiled Python is kept, whatever the environment says: without, each of the many programs that the tests start
# reads the whole source again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test long check suites bench bench-check lint format types imports browser triton audio database deploy soak proto wheel lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s'|'

run: .venv/.run ## start the server and the console on http://127.0.0.1:8000
	$(BIN)/gapless serve

test: .venv/.dev ## run the quick tests that need nothing but this checkout
	$(BIN)/pytest -q -n auto -m "not long and not browser and not triton and not audio and not database and not deploy"

long: .venv/.dev ## run the others: from end to end, under stress, many at a time
	$(BIN)/pytest -q -n auto --dist loadgroup -m long

check: test suites ## everything this machine can check

suites: lint types imports long database deploy triton audio browser ## all of that but the quick tests

bench: .venv/.run ## measure everything that is claimed (an hour or two), and print the table
	$(BIN)/gapless bench claims --json build/bench.json

bench-check: .venv/.dev ## compare with the commit that this branch began at, in one run: BASE=, FAMILIES=
	@rm -rf build/base && git worktree prune
	@git worktree add --quiet --detach build/base "$(BASE)"
	@trap 'git worktree remove --force build/base' EXIT; trap 'exit 130' INT TERM; \
		$(BIN)/gapless bench check --base build/base $(FAMILIES)

BASE ?= $(shell git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD)

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/.dev ## rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv/.dev
	$(BIN)/mypy

imports: .venv/.dev
	$(BIN)/lint-imports

browser: .venv/.dev ## drive the console in a real Chromium
	$(BIN)/pytest -q -m browser

triton: .venv/.dev ## hold the Triton backend against a real tritonserver
	$(BIN)/pytest -q -m triton

audio: .venv/.dev ## run the microphone on real PipeWire, PulseAudio and JACK, without a sound card
	$(BIN)/pytest -q -m "audio and not portaudio"
	$(BIN)/pytest -q -m portaudio

database: .venv/.dev ## hold the stores and the cache against real PostgreSQL and Redis
	$(BIN)/pytest -q -n auto -m database

deploy: .venv/.dev ## hold the rules and the dashboard of deploy/ against a real Prometheus
	$(BIN)/pytest -q -m deploy

soak: .venv/.dev ## an hour of the microphone under stalls and a busy interpreter, and 10^9 samples through the ring
	$(BIN)/python tools/soak_ring.py
	$(BIN)/gapless bench mic --case gaps --rounds 1 --seconds 3600

proto: $(UV) ## compile the protocol files of infer/wire again
	cd src/gapless/infer/wire && $(CURDIR)/$(UV) tool run --quiet --from grpcio-tools python -m grpc_tools.protoc \
		-I. --descriptor_set_out=messages.binpb kserve.proto health.proto

wheel: .venv/.dev ## build dist/gapless-*.whl
	$(UV) build --wheel --no-build-isolation --python $(BIN)/python --out-dir dist

lock: $(UV) ## compile requirements/*.txt again (hashes, no index host)
	$(UV) pip compile $(LOCK_FLAGS) requirements/uv.in -o requirements/uv.txt
	$(UV) pip compile $(LOCK_FLAGS) pyproject.toml --extra all --group build -o requirements/run.txt
	$(UV) pip compile $(LOCK_FLAGS) pyproject.toml --extra all --group dev -c requirements/run.txt -o requirements/dev.txt

LOCK_FLAGS := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" -c requirements/ceilings.in

clean: ## remove everything that the targets above made
	rm -rf .tools .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

# --- set-up ---------------------------------------------------------------------------------
# uv goes into the checkout: a fresh Debian refuses `pip install` outside a virtual environment.

$(UV): requirements/uv.txt
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes --upgrade \
		--target .tools -r requirements/uv.txt
	@touch $@

.venv/bin/python: | $(UV)
	$(UV) venv --quiet --python $(PYTHON) .venv

.venv/.run: requirements/run.txt pyproject.toml | .venv/bin/python
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/run.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.run
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@
