# Two commands do all the set-up on a fresh machine with Python 3.11 or later:
#   make demo    runs the story        make test    runs everything CI runs
PYTHON ?= $(shell for any in python3 python3.11 python3.12 python3.13; do \
	command -v $$any >/dev/null && exec $$any choose_python.py; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

BUILD := hatch_build.py $(shell find src -name '_*.c')

.PHONY: demo test check bench soak clean

demo: $(VENV)/.run
	@$(BIN)/antipodes demo $(ARGS)

test: $(VENV)/.test check
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.test
	$(BIN)/python benchmarks/run.py $(ARGS)

soak: $(VENV)/.test
	$(BIN)/antipodes soak $(ARGS)

$(VENV)/.run: pyproject.toml constraints.txt $(BUILD)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV), once ..." >&2
	@$(PIP) -e '.[fast]'
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt $(BUILD)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[fast,test]'
	@touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) .antipodes .mypy_cache .ruff_cache .pytest_cache
