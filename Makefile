# Everything a developer types. `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# `make contract` has an environment of its own: its tools bring more packages than all else together.
CONTRACT_VENV := .venv-contract
CONTRACT_STAMP := $(CONTRACT_VENV)/.installed
ENGINE ?= docker
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help setup run test topologies contract image image-check lint fmt bench soak alerts faults protocol lock clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make the virtual environment from the lock file

$(STAMP): requirements-dev.lock
$(CONTRACT_STAMP): requirements-contract.lock
$(STAMP) $(CONTRACT_STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Ringback needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 setup")'
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(filter %.lock,$^)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: $(STAMP) ## Run everything here: Redis, simulator, API, workers and a listener, until Ctrl-C
	@exec $(BIN)/ringback dev

test: $(STAMP) ## Run the whole test suite
	$(BIN)/python -m pytest -q -n 3 --dist loadgroup

topologies: $(STAMP) ## Run the end-to-end, store and worker tests on a cluster and behind Sentinel
	@for redis in cluster sentinel; do $(BIN)/python -m pytest -q -n 2 --dist loadgroup --timeout 180 --redis=$$redis \
		tests/e2e tests/store tests/workers tests/failovers || exit 1; done

contract: $(CONTRACT_STAMP) ## Check the running API against its own document: schemathesis, and a generated client
	$(CONTRACT_VENV)/bin/python -m pytest -q -rP tests/contract

image: ## Build the container image `ringback` (with docker, or ENGINE=podman, ENGINE=buildah)
	$(ENGINE) build --build-arg REVISION=$$(git rev-parse HEAD) --tag ringback:$(VERSION) --tag ringback:latest .

image-check: $(STAMP) ## Build the image without an engine and run everything from it (as root, with buildah, crun and debootstrap)
	$(BIN)/python -m tests.image.build_and_run

lint: $(STAMP) ## Check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

fmt: $(STAMP) ## Rewrite the sources in the house style
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(STAMP) ## Measure, and print a table (also written to bench-results/)
	$(BIN)/python -m tests.bench

soak: $(STAMP) ## Run everything for half an hour at half of saturation; fails when anything grows
	$(BIN)/python -m tests.bench soak

alerts: $(STAMP) ## Provoke every alert against a real Prometheus, and draw the dashboard (needs prometheus)
	$(BIN)/python -m tests.monitoring.provoke

lock: ## Renew the lock files (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra tracing pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra dev --no-emit-package ringback pyproject.toml -o requirements-dev.lock
	echo hatchling | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --constraints requirements-dev.lock - -o requirements-build.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra contract --no-emit-package ringback --constraints requirements-dev.lock pyproject.toml -o requirements-contract.lock

faults: $(STAMP) ## Break everything that can be broken, under load, and judge what came of it (SEED=7 repeats a run, HOURS=2)
	$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(HOURS),--hours $(HOURS))

protocol: $(STAMP) ## Check the scripts against a model for long, and that each change made to them on purpose is noticed (SEED=7)
	$(BIN)/python -m tests.protocol $(if $(SEED),--seed $(SEED))

clean: ## Remove the environment, caches and the data of `make run`
	rm -rf $(VENV) $(CONTRACT_VENV) .ringback .mypy_cache .ruff_cache .pytest_cache .hypothesis bench-results .image
