# Everything stays inside this folder. `make` alone lists the targets.

.DEFAULT_GOAL := help
SHELL := /bin/sh
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.stamp-runtime
DEV := $(VENV)/.stamp-dev

# PYTHON may name one interpreter; without it the first of these that is at least 3.11 is taken.
PYTHON ?=
CANDIDATES := $(if $(strip $(PYTHON)),$(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python)

# SERVICES=required turns tests of services that do not answer into errors instead of skips.
SERVICES ?=
PYTEST_ARGS ?=

# Tests run side by side; most of them wait for processes, pauses and databases.
WORKERS ?= 4

# How much misfortune `make torture` brings, and which.
SCENARIOS ?= 1000
SEED ?= 1
TORTURE_ARGS ?=

# How many invoices the day of `make soak` has, and more: --minutes M, --broker rabbitmq, --seed S.
SOAK_INVOICES ?= 50000
SOAK_ARGS ?=

# Which modules `make mutation` changes (files of .ci/mutation/), or --sample N --seed S; all mutants of all by default.
MUTATION_ARGS ?=

# How much `make api-check` tries: --examples N, --seed S.
API_ARGS ?=

# What `make audit` looks at: all, dependencies, or code, which needs no network once the tool is there.
AUDIT ?= all

CHECKED := connector workers config tests .ci/check_coverage.py .ci/audit/run.py .ci/site/check.py .ci/site/hooks.py

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

# pip inside the environment, or the interpreter's own pip (22.3 or later) pointed at the environment.
define PIP
pip() { \
  if $(BIN)/python -c 'import pip' 2>/dev/null; then $(BIN)/python -m pip "$$@"; \
  else "$$(cat $(VENV)/.python)" -m pip --python $(BIN)/python "$$@"; fi; \
}
endef
PIP_INSTALL := pip install --quiet --require-hashes --only-binary :all:

# An environment whose interpreter has gone is made again.
$(shell test -x $(BIN)/python || rm -f $(RUNTIME) $(DEV))

.PHONY: help setup setup-dev demo docs site services test nightly coverage mutants mutation audit api-check deploy-check torture soak screenshots lint format lock wheel clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(RUNTIME) ## install the product with everything it needs into .venv/

setup-dev: $(DEV) ## the same, with the tools for tests and checks

demo: setup ## set up and watch a dozen invoices meet their fates
	@$(BIN)/python -m connector.demo

docs: setup ## write the pages that are made from the software: reasons, configuration, commands
	@$(BIN)/python -m connector.docs

site: setup-dev ## build the documentation as a site, into build/site/; a broken link fails
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@$(BIN)/python .ci/site/check.py build/site

test: setup-dev ## set up and run the tests; SERVICES=required allows no skipped service
	SERVICES=$(SERVICES) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

nightly: setup-dev ## what takes hours: long tests, the API, coverage, missing safeguards, mutants, a thousand scenarios, a day
	@failed=; \
	run() { echo "$$*"; "$$@" || failed="$$failed $$2"; }; \
	E2E_ROUNDS=3 run $(MAKE) test PYTEST_ARGS="-m 'slow or nightly'"; \
	for target in audit api-check coverage mutants mutation torture soak; do run $(MAKE) $$target; done; \
	test -z "$$failed"

coverage: setup-dev ## the tests once more, with what they execute measured; at least 90 % of lines
	@rm -f .coverage .coverage.*
	$(MAKE) test PYTEST_ARGS="--cov --cov-report=term $(PYTEST_ARGS)"
	@$(BIN)/python .ci/check_coverage.py

mutants: setup-dev ## take one safeguard after the other out of the protocol; the judge must notice each
	@PYTHONPATH=. $(BIN)/python -m tests.simulation.mutants

mutation: setup-dev ## change single operators of the modules that decide; their tests must notice (MUTATION_ARGS)
	@test -d build/mutation/tools/cosmic_ray || { $(PIP); pip install --quiet --target build/mutation/tools cosmic-ray==8.7.0; }
	@$(BIN)/python .ci/mutation/run.py $(MUTATION_ARGS)

audit: setup-dev ## known weaknesses: bandit, pip-audit over the locks, CycloneDX list (AUDIT=code, AUDIT=dependencies)
	@$(PIP); \
	get() { test -d "$$1" || { folder=$$1; shift; pip install --quiet --no-warn-conflicts --target "$${folder%/*}" "$$@"; }; }; \
	test "$(AUDIT)" = dependencies || get build/audit/code/bandit bandit==1.9.4; \
	test "$(AUDIT)" = code || get build/audit/dependencies/pip_audit pip-audit==2.10.1 cyclonedx-bom==7.5.0 || true
	@SERVICES=$(SERVICES) $(BIN)/python .ci/audit/run.py $(AUDIT)

api-check: setup-dev ## try the API against its description, with every kind of token (schemathesis; API_ARGS)
	@test -d build/api/tool/schemathesis || { $(PIP); pip install --quiet --target build/api/tool schemathesis==4.32.5; }
	@PYTHONPATH=. $(BIN)/python -m tests.console.conformance $(API_ARGS)

deploy-check: setup-dev ## the deployment files against systemd, kubectl and the schemas of Compose and Kubernetes
	@$(PIP); test -d build/deploy/kubernetes_validate || pip install --quiet --no-warn-conflicts --no-deps \
	  --target build/deploy kubernetes-validate==1.37.0 compose-spec==0.2.1 jsonschema==4.26.0 \
	  jsonschema-specifications==2025.9.1 referencing==0.37.0 rpds-py attrs importlib-resources packaging
	PYTHONPATH=build/deploy $(BIN)/python -m pytest -rs tests/deploy

torture: setup-dev ## kill, pause and deceive real processes, then audit (SCENARIOS=1000, SEED=1)
	@$(BIN)/python -m tests.torture --scenarios $(SCENARIOS) --seed $(SEED) $(TORTURE_ARGS)

soak: setup-dev ## a day of an office in minutes, with all that may go wrong in it (SOAK_INVOICES=50000; SOAK_ARGS)
	@$(BIN)/python -m tests.soak --invoices $(SOAK_INVOICES) $(SOAK_ARGS)

services: ## start the databases and brokers that tests can use (Debian; installs them when run by root)
	@bash .ci/services

screenshots: setup-dev ## take pictures of every page of the console, into build/screenshots/ (needs Chromium)
	@PYTHONPATH=. $(BIN)/python -m tests.console.screens

lint: setup-dev ## ruff, formatting, mypy --strict, import contracts
	@failed=; \
	run() { echo "$$*"; "$$@" || failed="$$failed $$1"; }; \
	run $(BIN)/ruff check .; \
	run $(BIN)/ruff format --check .; \
	run $(BIN)/mypy --strict $(CHECKED); \
	run $(BIN)/lint-imports --no-logo; \
	test -z "$$failed"

format: setup-dev ## sort imports, mend what can be mended, format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup ## resolve the dependencies anew and write the lock files
	@$(BIN)/python -c 'import uv' 2>/dev/null || { $(PIP); pip install --quiet uv; }
	@set -e; \
	compile() { \
	  $(BIN)/python -m uv --no-config pip compile --quiet --upgrade --universal --python-version 3.11 \
	    --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links "$$@"; \
	}; \
	compile pyproject.toml -o requirements.lock; \
	compile pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock; \
	compile pyproject.toml --extra s3 --extra oidc --extra otel -c requirements-dev.lock -o requirements-extras.lock; \
	printf '%s\n' 'hatchling' 'editables' | compile - -c requirements-dev.lock -o requirements-build.lock; \
	if grep -nE '://|^ *(-i|-f|--index-url|--extra-index-url|--find-links)|file:' requirements*.lock; then \
	  echo 'The lock files must hold no addresses.' >&2; exit 1; \
	fi

wheel: setup ## build wheel and sdist into dist/, and list what is in them
	@rm -rf dist && $(BIN)/python -m hatchling build --target wheel --target sdist --directory dist
	@$(BIN)/python -m zipfile --list dist/*.whl && tar --list --gzip --file dist/*.tar.gz

clean: ## remove the environment, caches and results
	rm -rf $(VENV) build dist htmlcov .coverage .coverage.* coverage.json coverage.xml \
	  .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------- the environment

$(RUNTIME): pyproject.toml requirements.lock requirements-build.lock
	@set -e; \
	suits() { "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }; \
	if ! suits $(BIN)/python; then \
	  found=; \
	  for candidate in $(CANDIDATES); do \
	    if suits "$$candidate"; then found=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "Python 3.11 or later is needed, and none of these is one: $(CANDIDATES). Install it, or name it: make setup PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	  fi; \
	  found=$$("$$found" -c 'import sys; print(sys.executable)'); \
	  rm -rf $(VENV); \
	  if "$$found" -c 'import venv, ensurepip' 2>/dev/null; then "$$found" -m venv $(VENV); \
	  elif "$$found" -m pip --python "$$found" --version >/dev/null 2>&1; then "$$found" -m venv --without-pip $(VENV); \
	  else \
	    echo "$$found can make no environment with pip (ensurepip is missing): install its venv package, on Debian and Ubuntu: apt install python3-venv" >&2; \
	    exit 1; \
	  fi; \
	  echo "$$found" > $(VENV)/.python; \
	  echo "Setting up $(VENV) with $$found ..."; \
	fi; \
	$(PIP); \
	$(PIP_INSTALL) -r requirements-build.lock -r requirements.lock; \
	pip install --quiet --no-deps --no-build-isolation --editable .; \
	$(BIN)/python -m compileall -q connector workers config; \
	touch $@

$(DEV): $(RUNTIME) requirements-dev.lock
	@set -e; \
	echo "Installing the tools for tests and checks ..."; \
	$(PIP); \
	$(PIP_INSTALL) -r requirements-dev.lock; \
	touch $@
