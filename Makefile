# The one way in: `make demo` runs the main job, `make test` checks and tests. Each sets up what it
# needs the first time, in .venv and nowhere else, and starts at once the next time.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LOCK   := requirements/lock.txt
PIP     = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(LOCK)
BESIDE  = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade
# Two more than there are cores: much of the time tests wait for processes that they have started.
WORKERS ?= $(shell cores=$$(getconf _NPROCESSORS_ONLN); echo $$((cores < 4 ? cores + 2 : 5)))
OLD     = [ -x "$$(command -v $(PYTHON))" ] && $(PYTHON) --version 2>&1 || echo "not here"

.DEFAULT_GOAL := help
.PHONY: help demo test docs wheel prove coverage check format lock clean

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /\1 /p' Makefile | while read -r name what; do printf '%-8s %s\n' "$$name" "$$what"; done

demo: $(VENV)/.lab ## run the main job, end to end, on real data
	@$(BIN)/alula demo

test: check ## all checks, then all tests
	@$(BIN)/python -m compileall -q src tests # or each of a thousand processes would, where none may write
	$(BIN)/python -m pytest --numprocesses $(WORKERS)

docs: $(VENV)/.all ## the documentation as a site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet --config-file tools/site/mkdocs.yml
	@echo "build/site/index.html"

wheel: $(VENV)/.all ## a wheel and the sources for others, in dist, tried in an empty environment
	@rm -rf dist build/try && mkdir -p build
	$(BIN)/python -m build --no-isolation
	@$(PYTHON) -m venv build/try
	@build/try/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(LOCK) "$$(ls dist/*.whl)[lab]"
	cd build && try/bin/python ../tools/smoke.py

prove: $(VENV)/.all ## try thousands of random workflows, each cut off after each of its writes: hours
	ALULA_PROOF=long $(BIN)/python -m pytest -o faulthandler_timeout=0 tests/prefixes

coverage: $(VENV)/.all ## all tests with their coverage, which takes half as long again
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses $(WORKERS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

check: $(VENV)/.all ## format, lint and types, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy src tests benchmarks tools

format: $(VENV)/.all ## rewrite the code in the house's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## resolve every requirement anew into the lock (needs uv)
	uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --upgrade --all-extras \
		--group dev --no-header --no-annotate --output-file $(LOCK).all
	@# CUDA's own packages are left to whichever torch is installed.
	@grep -vE '^(cuda|nvidia-[^m]|triton)' $(LOCK).all > $(LOCK) && rm $(LOCK).all

clean: ## remove the environment and all that was built or measured
	rm -rf $(VENV) build dist .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache

# A stamp is written when its step has succeeded, so an interrupted step is taken up again.

$(VENV)/.pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || { \
		echo "Alula needs Python 3.11 or newer, and $(PYTHON) is $$($(OLD)): make $(MAKECMDGOALS) PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Setting up $(VENV): minutes the first time, nothing after that."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.lab: $(VENV)/.pip pyproject.toml $(LOCK)
	@$(PIP) --editable '.[lab]'
	@touch $@

$(VENV)/.all: $(VENV)/.pip pyproject.toml $(LOCK)
	@$(PIP) --editable '.[all]' --group dev
	@# The archived original's own client asks for an older redis: both lie apart, for one test.
	@$(BESIDE) --target $(VENV)/redisai redisai==1.3.0 Deprecated==1.3.1 wrapt==2.5.2
	@$(BESIDE) --target $(VENV)/redis5 redis==5.2.1
	@touch $(VENV)/.lab $@
