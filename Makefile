# Two commands set everything up: `make run` (run-time packages only) and `make test` (the rest).
SHELL := /bin/sh
PYTHON ?= python3
CONFIG ?= config/hub.yaml
PORT ?=
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
TESTTIME := $(VENV)/.testtime

.PHONY: setup run demo test soak check generate bench lock clean

setup: $(RUNTIME)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$$($(PYTHON) --version) is too old: the hub needs Python 3.11 or newer; name one with make PYTHON=python3.11"; exit 1; }
	@echo "making the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing run-time packages (about a minute the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock || { \
	  echo "installing the packages of requirements.lock failed: is the package index reachable?"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(TESTTIME): requirements-test.lock $(RUNTIME)
	@echo "installing test packages"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-test.lock
	@touch $@

run: $(RUNTIME)
	@exec $(BIN)/bookinghub run --config $(CONFIG) $(if $(PORT),--listen 127.0.0.1:$(PORT))

demo: $(RUNTIME)
	@$(BIN)/python -m hub.demo

test: $(TESTTIME)
	$(BIN)/python -m pytest -q --numprocesses=auto --maxprocesses=4 --dist=worksteal

soak: $(TESTTIME)
	$(BIN)/python -m pytest -q -s -m slow --hypothesis-profile=soak

bench: $(TESTTIME)
	$(BIN)/python -m tests.bench

check: $(TESTTIME)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

generate: $(TESTTIME)
	$(BIN)/python -m hub.settings.generate
	$(BIN)/python -m hub.web.generate

# Needs uv; versions and hashes only, no download addresses.
lock:
	uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	  --output-file requirements.lock pyproject.toml requirements.in
	uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	  --extra test --constraint requirements.lock --output-file requirements-test.lock pyproject.toml requirements.in

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
