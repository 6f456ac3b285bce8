# Everything starts here. A fresh machine needs Python 3.11 or newer and make; the rest is fetched
# into .venv, in the versions and with the hashes of uv.lock.

PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
READY := .venv/.ready
PYTEST := $(BIN)/python -m pytest

# What a developer waits for, what belongs to the longer part, and what only a soak runs.
OUTSIDE := slow or real or browser or netns or redis or coturn
QUICK := not soak and not ($(OUTSIDE))
LONGER := not soak and ($(OUTSIDE))

# The quick tests compute, on two cores. The longer ones wait, mostly: four at once, given out one by
# one, the longest first; those that share a town to one worker (tests/support/sharing_out.py).
AT_ONCE := -n 2 --dist worksteal
WAITING := -n 4 --dist loadgroup --no-loadscope-reorder

PART ?= all
SECONDS ?= 60
FACTOR ?= 20

.PHONY: help demo test check bench docs screenshots soak fuzz format clean

help:
	@echo "make demo    a relay, three people and a latecomer in one circle on this machine"
	@echo "make test    every test that can run here"
	@echo "make check   format, lint, types, import rules, a glance at the quick tests: a minute or two"
	@echo "make format  write the format that check asks for"
	@echo "make bench   run the benchmarks and write docs/benchmarks.md"
	@echo "make screenshots  take pictures of every screen into docs/screenshots (needs Chromium)"
	@echo "make docs    build the documentation into site/"
	@echo "make soak    100 000 histories of simulated worlds, and the same tests with FACTOR ($(FACTOR)) times the random cases"
	@echo "make fuzz    fuzz the parsers of PART ($(PART)) for SECONDS ($(SECONDS)) each"

demo: $(READY)
	$(BIN)/toheal demo

test: $(READY)
	$(PYTEST) -q $(AT_ONCE) -m "$(QUICK)"
	$(PYTEST) -q $(WAITING) -m "$(LONGER)" || [ $$? -eq 5 ]

check: $(READY)
	$(BIN)/ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	TOHEAL_GLANCE=8 $(PYTEST) -q $(AT_ONCE) -m "$(QUICK)"

format: $(READY)
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --quiet --fix .

bench: $(READY)
	$(BIN)/python -m benchmarks

docs: $(READY)
	$(BIN)/uv run --quiet --no-project --with-requirements scripts/docs-requirements.txt zensical build --clean --strict

screenshots: $(READY)
	$(BIN)/python -m tests.support.tour docs/screenshots
	$(BIN)/python -m tests.support.tour_keeping docs/screenshots/keeping

soak: $(READY)
	$(BIN)/python -m tests.network.soak
	TOHEAL_SOAK=$(FACTOR) TOHEAL_KILLS=1000 TOHEAL_WORDS=2000 $(PYTEST) -q -n 2 -m ""

fuzz: $(READY)
	-$(BIN)/uv pip install --quiet --require-hashes -r tests/fuzz/requirements.txt
	@if [ "$(PART)" = all ]; then parts=$$(ls tests/support/parsers_*.py | sed 's/.*parsers_//; s/\.py//'); \
	else parts="$(PART)"; fi; \
	for part in $$parts; do $(BIN)/python -m tests.fuzz $$part $(SECONDS) || exit 1; done

clean:
	rm -rf .venv site dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(READY): pyproject.toml protocol/pyproject.toml relay/pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; PYTHON=/path/to/it make $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/uv || { $(PYTHON) -m venv .venv && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); }
	@UV_PYTHON_DOWNLOADS=never $(BIN)/uv sync --quiet --frozen --python $(BIN)/python
	@touch $(READY)
