# One virtual environment, plain pip. TORCH comes first and by name: on Linux a bare "torch" brings CUDA.
PYTHON ?= python3
TORCH  ?= torch==2.13.0
VENV   ?= .venv
BIN    := $(VENV)/bin
RUN    := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

.PHONY: demo test test-slow lint bench docs clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/base: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --editable ".[torch]"
	touch $@

$(VENV)/dev: pyproject.toml | $(VENV)/base
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

$(VENV)/bench: pyproject.toml | $(VENV)/base
	$(BIN)/python -m pip install --quiet --editable ".[bench]"
	touch $@

$(VENV)/docs: pyproject.toml | $(VENV)/base
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	touch $@

demo: $(VENV)/base
	$(BIN)/wayscan demo

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -c "import wayscan; wayscan.warmup()"
	$(RUN) -m "not slow"

test-slow: $(VENV)/dev
	$(RUN) -m slow

bench: $(VENV)/bench
	for name in scan runs world forecast track fly; do $(BIN)/wayscan bench $$name || exit 1; done

docs: $(VENV)/docs
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) site build dist
