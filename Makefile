# make demo: sets up and runs the main job, offline.   make test: sets up and passes the tests.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: .venv demo test check promises clean

.venv: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Assay needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: .venv
	$(BIN)/assay demo

test: .venv
	$(BIN)/pytest -n 2 --dist loadfile

check: .venv
	$(BIN)/ruff check .
	$(BIN)/mypy

promises: .venv
	$(BIN)/python benchmarks/promises.py

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis data/workspace assay-out
