# Every target works on a bare machine with make and Python 3.11 or newer: the first one makes .venv.
# PYTHON=python3.12 chooses an interpreter, ARGS="-k name" is handed to pytest.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=
PEERS ?= 1
PYTEST := $(BIN)/pytest
# Many tests wait for a cluster more than they compute: one more than there are cores keeps these busy.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
DOCKERFILES := $(wildcard deploy/docker/*.Dockerfile)
DOCKER ?= docker
REGISTRY ?=
BASE ?=
VERSION = $(shell $(BIN)/python -c 'from agent_operator import __version__; print(__version__)')
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --constraints constraints.txt
# Programs that the tests start, as Debian names them: package:command.
PROGRAMS := redis-server:redis-server chromium:chromium chromium-driver:chromedriver \
	nodejs:node npm:npm

# The pure core decides everything, so nearly every branch of it must have been taken.
PURE := */agent_operator/render/*,*/agent_operator/plan.py,*/agent_operator/conditions.py,*/agent_operator/policies/*
# The newest that runs and can make an environment: a version manager's shim may exist and not run.
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)

.PHONY: help install demo test e2e bench lint format types crds manifests docs constraints images sbom verify coverage programs clean

help:  ## Show this help
	@echo "usage: make TARGET"
	@sed -nE 's/^([a-z0-9]+):[^#]*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

install: $(READY)  ## Make .venv with everything, pinned by hash

$(READY): constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer with its venv module found:" \
		"install it (Debian: apt-get install python3-venv) or name one with PYTHON=" >&2; exit 1; }
	@echo "Installing into $(VENV) with $(PYTHON), about a minute"
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --require-hashes --requirement constraints.txt
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)  ## Bring an agent up on a cluster in this folder and talk to it (ONCE=1 ends after the answer)
	@$(BIN)/agentctl demo $(if $(ONCE),--once)

test: $(READY) programs  ## Run all tests
	$(PYTEST) -n $(WORKERS) --dist loadfile $(ARGS) tests

e2e: $(READY)  ## Run the end-to-end tests (ARGS="--kubeconfig FILE" for a real cluster)
	$(PYTEST) $(ARGS) tests/e2e

bench: $(READY) programs  ## Measure operator and runtime, the latter with its peers from PyPI (PEERS= without)
	BENCH_PEERS=$(PEERS) $(PYTEST) --capture=no $(ARGS) tests/bench

lint: $(READY)  ## Check style, formatting and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/hadolint $(DOCKERFILES)

format: $(READY)  ## Put the code into its form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(READY)  ## Check types
	$(BIN)/mypy

crds: $(READY)  ## Write crds/ from the models
	$(BIN)/python -m agent_operator.crd crds

manifests: $(READY)  ## Write the rights in deploy/kustomize from what the operator does
	$(BIN)/python -m agent_operator.rbac deploy/kustomize

docs: $(READY)  ## Write docs/reference.md from the models
	$(BIN)/python -m agentctl.reference docs/reference.md

constraints: $(READY)  ## Pin all dependencies anew, into constraints.txt and deploy/docker
	@# editables: what hatchling needs for an editable install.
	{ printf '%s\n' '-e .[local]' 'editables~=0.5'; $(BIN)/python -c 'import tomllib; \
		print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")'; } \
	| $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate \
		--no-emit-package agent-operator --group pyproject.toml:dev --output-file constraints.txt -
	$(LOCK) --extra operator --output-file deploy/docker/operator.txt pyproject.toml
	$(LOCK) --extra runtime --extra otel --output-file deploy/docker/runtime.txt pyproject.toml
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	| $(LOCK) --output-file deploy/docker/build.txt -

images: $(READY)  ## Build both images (DOCKER="buildah", REGISTRY=host/, BASE=image)
	for name in operator runtime; do $(DOCKER) build --file deploy/docker/$$name.Dockerfile --build-arg VERSION=$(VERSION) \
		--build-arg REVISION=$$(git rev-parse HEAD) $(if $(BASE),--build-arg BASE=$(BASE)) \
		--tag $(REGISTRY)agent-operator/agent-$$name:$(VERSION) .; done

sbom: $(READY)  ## List what is in the images, as CycloneDX in dist/sbom
	@mkdir -p dist/sbom
	for name in operator runtime; do PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements deploy/docker/$$name.txt --pyproject pyproject.toml \
		--mc-type application --output-reproducible --output-file dist/sbom/$$name.cdx.json; done

verify: lint types crds manifests docs  ## Check style, types and that generated files are up to date
	@git diff --exit-code -- crds deploy docs || { echo "error: generated files were stale: commit what make wrote" >&2; exit 1; }

coverage: $(READY)  ## Hold the last test run with ARGS=--cov to its threshold
	$(BIN)/coverage report --fail-under=95 --include='$(PURE)'

programs:
	@for program in $(PROGRAMS); do command -v "$${program#*:}" >/dev/null || missing="$${missing:-} $${program%:*}"; done; \
	test -z "$${missing:-}" && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
	then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing >/dev/null; \
	else echo "error: the tests need$$missing: apt-get install$$missing" >&2; exit 1; fi

clean:  ## Remove .venv, caches and the cluster in this folder
	rm -rf $(VENV) .local-cluster .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage* build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
