# `make demo` and `make test` need Python 3.11 or newer, and PyPI; they make everything else.
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
DATA ?= ../shared/data
FUZZ_SECONDS ?= 30
WORKERS ?= 2

.PHONY: help env browser web demo test fuzz check format bench lock clean

help: ## What there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

env: .venv/complete ## Make the environment in .venv

.venv/complete: pyproject.toml requirements.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; run: make PYTHON=python3.12 …")'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements.lock
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@

demo: env ## Draw a sample set, train on it, measure, predict; and what exports to the web need
	@$(BIN)/python vendoring/web_assets.py || echo "go on without: only exports to the web need it"
	$(BIN)/candid demo

browser: env ## Bring browsers for the tests of pages, where there are none, and what drives them
	@$(BIN)/python tests/browser.py

web: env ## Bring the scripts of pages: ONNX Runtime for browsers, and lit-html
	@$(BIN)/python vendoring/web_assets.py

test: env browser web ## All tests, WORKERS side by side
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

fuzz: env ## Feed what reads files and requests with damaged ones, FUZZ_SECONDS for each of ten tests, and kill commands
	CANDID_FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m pytest -q -s tests/fuzz tests/integration/test_killed_commands.py

check: env ## Lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: env ## Bring the code into form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: env ## Measure against the tutorial, or AGAINST=<commit>, on the photos in $(DATA)
	$(BIN)/python benchmarks/bench.py $(DATA) $(if $(AGAINST),--against $(AGAINST))

lock: env ## Write requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal \
		--python-version 3.11 --no-emit-index-url --generate-hashes --no-header --no-annotate \
		--quiet --output-file requirements.lock

clean: ## Remove what was made
	rm -rf .venv demo runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
