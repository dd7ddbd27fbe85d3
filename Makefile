# Two commands on a fresh machine: make demo, make test. They need make and Python 3.11 or newer.
.DEFAULT_GOAL := help
.PHONY: help demo lint statics types contracts check quick-pytest test pytest test-all bench fleet soak crash-test side-by-side fuzz docs words screenshots lock format clean
VENV := .venv
BIN := $(VENV)/bin
# Errors are shown; warnings, which concern pip alone, are not.
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check
# A worker gets one test at a time, in their order: else its queue grows while its tests are short, and waits behind
# a long one when the other workers have ended.
# More workers than two cores: many tests mostly wait, for processes, leases and time limits. They are ordered so that
# about two calculate at a time (tests/budgets.py). Eight keep the cores busier, and need as much longer for imports.
WORKERS ?= 6
# Each worker imports all tests: with the compiled ones of the last run in half the time.
export PYTHONDONTWRITEBYTECODE :=
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --maxschedchunk=1 -q
# How coverage is counted in a fifth of the time: see the file. Python 3.11 cannot, and counts branches instead.
LINES = $$($(BIN)/python -c 'import sys; print("tests/lines.toml" if sys.version_info >= (3, 12) else "pyproject.toml")')

help:
	@echo "make demo    the playground: the whole bot in your browser, without Slack and WeChat (PORT=3000)"
	@echo "make check   format, lint, types, the tests without processes, browsers, servers and stories: a minute"
	@echo "make test    format, lint, types, tests (SQLite and PostgreSQL), coverage: about five minutes on two cores"
	@echo "make test-all  the same tests with every kill, all on PostgreSQL too, a soak, ten times as many examples, and branches"
	@echo "make bench   measure, and write bench/RESULTS.md (three quarters of an hour)"
	@echo "make fleet   10,000 accounts, with each queue backend, for MINUTES=10 each (FLEET=\"rows --accounts 500\")"
	@echo "make soak    the bot under load, restarted and killed, for MINUTES=10 (SOAK=\"--store postgresql\")"
	@echo "make crash-test  kill the bot 360 times: no alert or operation is lost or repeated (CRASH=\"--stores skewed\")"
	@echo "make side-by-side  an older version beside this one on one store (VERSIONS=\"--ref HEAD^\")"
	@echo "make docs    generate the diagrams of docs/architecture.md from the imports"
	@echo "make words   collect the sentences of the code for bot/locale, and compile their Chinese"
	@echo "make fuzz    send the bot 50,000 signed requests that make no sense"
	@echo "make screenshots  take the pictures of both READMEs in the playground; needs chromium"
	@echo "make lock    make the three requirements files again from pyproject.toml"

# The first interpreter that really runs and can build an environment with pip: a name on PATH may be a shim with
# nothing behind it, and a distribution may have left ensurepip out. The stamp is written last, so that what was
# half built, or has lost its interpreter, is built anew.
ifneq ($(shell $(BIN)/python -m pip --version >/dev/null 2>&1 && echo fine),fine)
.PHONY: $(VENV)/.made
endif
$(VENV)/.made:
	@for python in python3.13 python3.12 python3.11 python3; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    echo "Building $(VENV) with $$python ($$($$python --version))"; \
	    rm -rf $(VENV); \
	    if $$python -m venv $(VENV) && $(BIN)/python -m pip --version >/dev/null; then \
	      touch $@; exit 0; \
	    fi; \
	    echo "$$python cannot build it; trying the next one"; \
	  fi; \
	done; \
	echo "No Python 3.11 or newer with venv and pip was found. Install one, then repeat." >&2; exit 1

$(VENV)/.run: requirements.txt $(VENV)/.made
	@echo "Installing what the bot needs: once, for about half a minute"
	@$(PIP) --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.dev: tests/requirements.txt requirements.txt $(VENV)/.made
	@echo "Installing what the tests need: once, for about two minutes"
	@$(PIP) --require-hashes -r tests/requirements.txt
	@touch $(VENV)/.run $@

demo: PORT ?= 3000
demo: $(VENV)/.run
	@$(BIN)/python -m bot demo --port $(PORT) $(DEMO)

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

statics: lint
	@$(MAKE) --no-print-directory -j3 types contracts tests/__pycache__

types:
	@nice -n 10 $(BIN)/mypy

contracts:
	$(BIN)/lint-imports --no-cache --no-logo

# On a fresh clone each worker would compile the tests: beside mypy, which takes one core, once is enough.
tests/__pycache__:
	@$(BIN)/python -m pytest --collect-only -q >/dev/null || true

# Types are checked beside the tests, in the time that these leave. Format and lint come first: they take a second.
check: lint
	@$(MAKE) --no-print-directory -j3 types contracts quick-pytest

quick-pytest: WORKERS = 3
quick-pytest: tests/__pycache__
	$(PYTEST) -m 'not (process or server or browser or postgres or model or story)'

test: lint
	@$(MAKE) --no-print-directory -j3 types contracts pytest
	$(BIN)/coverage report | $(BIN)/python -m tests.coverage_floors

pytest: tests/__pycache__
	$(PYTEST) --cov --cov-config=$(LINES) --cov-report=

test-all: statics
	TEST_ALL=1 $(PYTEST) --timeout=1800 --cov --cov-report=
	$(BIN)/coverage report | $(BIN)/python -m tests.coverage_floors

bench: $(VENV)/.dev
	$(BIN)/python -m bench --write bench/RESULTS.md

fleet: MINUTES ?= 10
fleet: $(VENV)/.dev
	$(BIN)/python -m bench.fleet --minutes $(MINUTES) $(FLEET)

soak: MINUTES ?= 10
soak: $(VENV)/.dev
	$(BIN)/python -m tests.soak --minutes $(MINUTES) --write tests/soak/REPORT.md $(SOAK)

crash-test: $(VENV)/.dev
	$(BIN)/python -m tests.crash $(or $(CRASH),--write tests/crash/REPORT.md)

side-by-side: $(VENV)/.dev
	$(BIN)/python -m tests.side_by_side $(VERSIONS)

docs: $(VENV)/.dev
	$(BIN)/python -m tests.architecture

WORDS := bot/locale/zh_Hans/LC_MESSAGES/kf
words: $(VENV)/.dev
	$(BIN)/pybabel -q extract --no-default-keywords -k say -k count:1,2 -k term:1c,2 -k gettext_noop \
	  -k pgettext_noop:1c,2 --add-location=file --sort-by-file --omit-header -o $(WORDS).pot bot
	$(BIN)/pybabel -q update --no-fuzzy-matching --ignore-pot-creation-date --ignore-obsolete --no-wrap -l zh_Hans -i $(WORDS).pot -o $(WORDS).po
	$(BIN)/pybabel -q compile -l zh_Hans -i $(WORDS).po -o $(WORDS).mo
	rm $(WORDS).pot

fuzz: $(VENV)/.dev
	FUZZ=50000 $(BIN)/python -m pytest -q tests/test_fuzz.py

screenshots: $(VENV)/.dev
	$(BIN)/python -m tests.playground.screenshots

# With their extras, since pip before 23.3 would take the newest release for an extra that no line names.
LOCK = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --no-strip-extras --generate-hashes \
  --no-emit-index-url --no-header --quiet
lock: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet uv
	$(LOCK) -o requirements.txt
	$(LOCK) --extra fleet -c requirements.txt -o requirements-fleet.txt
	$(LOCK) --extra dev --extra fleet -c requirements-fleet.txt -o tests/requirements.txt

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*
