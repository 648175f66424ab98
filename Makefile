# `make help` lists the targets. Nothing but Python 3.11+ and make is needed; everything goes into .venv.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: help demo test mutants hammer soak install lock lint lint-python lint-sql type bench bench-changes bench-demo \
  bench-extract bench-scheduling bench-services bench-workflows down clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

demo: install  ## install, start PostgreSQL, generate data, run the whole pipeline, print what was built
	@$(BIN)/weir demo

test: install  ## install, then run every test
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 20

PUBLICATIONS ?= 1000
CURSOR ?= 600
hammer: install  ## readers hammer all marts through 1,000 publications, one with a cursor of ten minutes
	$(BIN)/python -m tests.hammer $(PUBLICATIONS) $(CURSOR)

HISTORIES ?= 1000
WORKERS ?= $(shell getconf _NPROCESSORS_ONLN)
soak: install  ## run 1,000 random histories (HISTORIES=number), shared by as many processes as there are cores; see soak.log
	@rm -f soak*.log; seq $(WORKERS) | WEIR_TEST_HISTORIES=$$((($(HISTORIES) + $(WORKERS) - 1) / $(WORKERS))) xargs -P $(WORKERS) -I{} \
	  sh -c '$(BIN)/python -m pytest tests/properties/test_histories.py --capture no --hypothesis-show-statistics \
	  --durations=3 > soak-{}.log 2>&1'; status=$$?; cat soak-*.log > soak.log; tail -n 20 soak-*.log; exit $$status

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

bench-changes: install  ## measure from one changed task, or 1,000 rows, to published (DATA=folder of source tables)
	$(BIN)/python -m benchmarks.changes $(DATA)

ROWS ?= 1000000
bench-extract: install  ## measure extracts beside their floors and dlt (ROWS=number of rows)
	$(BIN)/python -m benchmarks.extract --rows $(ROWS) --dlt .venv/dlt

SCALES ?= 1 10
bench-demo: install  ## measure memory, time and disk of the demo (SCALES=scales)
	$(BIN)/python -m benchmarks.demo $(SCALES)

VALUES ?= 10000000
SERIES ?= 1000
bench-services: install  ## measure daily KPIs and forecasts (VALUES=number of values, SERIES=number of series)
	$(BIN)/python -m benchmarks.services $(VALUES) $(SERIES)

bench-scheduling: install  ## measure the scheduling marts beside hand-written SQL, users x 1 and x 10 (DATA=folder)
	$(BIN)/python -m benchmarks.scheduling $(DATA)

EVENTS ?= 100000 1000000
bench-workflows: install  ## measure workflow marts beside hand-written SQL (EVENTS=sizes of the log, DATA=folder)
	$(BIN)/python -m benchmarks.workflows $(DATA) $(EVENTS)

mutants: install  ## invert each rule of the contract in the SQL and see that a test notices (minutes)
	$(BIN)/python -m pytest tests/mutants
	$(BIN)/python -m tests.mutants.scheduling

down:  ## stop the embedded server
	@$(BIN)/weir down

clean: down  ## stop the server and delete its data
	rm -rf .weir
