# Needs Python ≥ 3.11 with venv, make, and a package index. Everything is put into .venv.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
RECIPE ?= configs/quickstart.yaml

.PHONY: run test check audit fix install clean demo-schedule

run: $(VENV)/.installed  ## install and run RECIPE
	$(BIN)/decant run $(RECIPE)

demo-schedule: $(VENV)/.installed  ## a schedule that promotes, refuses, skips, and is rolled back
	$(BIN)/python -m pip install --quiet -e '.[quickstart,ops]' -c constraints.txt
	$(BIN)/python configs/quickstart/demo_schedule.py

test: $(VENV)/.installed-dev  ## install and run the tests
	$(BIN)/python -m pytest -n auto --dist loadfile

check: $(VENV)/.installed-dev  ## what must hold before a commit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python configs/quickstart/build_pairs.py --check

audit: $(VENV)/.installed  ## known vulnerabilities of the pinned versions; asks PyPI
	test -x $(VENV)/audit/bin/pip-audit || $(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet pip-audit
	$(VENV)/audit/bin/pip-audit -r constraints.txt --no-deps --disable-pip

fix: $(VENV)/.installed-dev  ## format and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Decant needs Python 3.11 or newer, this is %d.%d" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch -c constraints.txt
	$(BIN)/python -m pip install --quiet -e '.[quickstart]' -c constraints.txt
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -e '.[dev]' -c constraints.txt
	touch $@

clean:
	rm -rf $(VENV) runs dist .mypy_cache .ruff_cache .pytest_cache
