# `make help` lists the targets. Nothing but Python 3.11+ and make is needed; everything goes into .venv.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: help demo test soak install lock lint lint-python lint-sql type bench bench-extract down clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

demo: install  ## install, start PostgreSQL, generate data, run the whole pipeline, print what was built
	@$(BIN)/weir demo

test: install  ## install, then run every test
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

HISTORIES ?= 1000
soak: install  ## run 1,000 random histories (HISTORIES=number), a second or two per run; the log is soak.log
	@WEIR_TEST_HISTORIES=$(HISTORIES) $(BIN)/python -m pytest tests/properties/test_histories.py \
	  --capture no --hypothesis-show-statistics --durations=3 > soak.log 2>&1; status=$$?; tail -n 40 soak.log; exit $$status

install: $(STAMP)  ## install into .venv from the lock file

# uv installs in seconds what takes pip two minutes; where uv cannot be had, pip does it.
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("weir needs Python 3.11 or later; run: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	@if $(BIN)/python -m pip install --quiet --require-hashes -r requirements-uv.lock 2>/dev/null \
	  && $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.lock; then :; \
	else $(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock; fi
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m warehouse.transform  # has dbt parse the project once, here and not in the first run
	@touch $@

lock:  ## resolve the ranges of pyproject.toml anew
	$(BIN)/uv pip compile --quiet --upgrade --all-extras --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --universal pyproject.toml -o requirements.lock

lint: lint-python lint-sql  ## ruff, import direction, SQL style

lint-python: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --config pyproject.toml

lint-sql: install
	$(BIN)/sqlfluff lint dbt_project

type: install  ## mypy, strict
	$(BIN)/mypy

DATA ?= ../shared/data/real
bench: install  ## measure the first run and a run with nothing to do (DATA=folder of source tables)
	$(BIN)/python -m benchmarks.first_run $(DATA)

ROWS ?= 1000000
bench-extract: install  ## measure extracts beside their floors and dlt (ROWS=number of rows)
	$(BIN)/python -m benchmarks.extract --rows $(ROWS) --dlt .venv/dlt

down:  ## stop the embedded server
	@$(BIN)/weir down

clean: down  ## stop the server and delete its data
	rm -rf .weir
