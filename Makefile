# The two commands of README are `make demo` and `make test`; everything else is for developers.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BROWSER := -m "browser and not nightly"
# Three browsers on two cores may keep a page waiting for too long: what failed is run once more, alone, and then counts.
ALONE := --last-failed --last-failed-no-failures none

.PHONY: setup demo test lint types layers wheels nightly sweep bench lock clean

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock requirements-pcsc.lock pyproject.toml plugins/library/pyproject.toml plugins/taxi/pyproject.toml tests/testkit/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps -e . -e plugins/library -e plugins/taxi -e tests/testkit
	sh .ci/install-pyscard $(BIN)/python
	touch $@

demo: setup
	$(BIN)/mykey demo

test: setup
	$(BIN)/python -m pytest -n auto --dist loadgroup -m "not nightly and not browser"
	$(BIN)/python -m pytest $(BROWSER) -n 3 --dist worksteal || $(BIN)/python -m pytest $(BROWSER) -n0 $(ALONE)

nightly: setup
	$(BIN)/python -m pytest -m nightly

sweep: setup
	$(BIN)/python -m pytest -n0 -m nightly cardap/tests/gp cardap/tests/service_ap

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	sh .ci/check-tree

types: setup
	$(BIN)/mypy

layers: setup
	$(BIN)/lint-imports

wheels: setup
	for project in . plugins/library plugins/taxi tests/testkit; do \
		$(BIN)/python -m build --no-isolation --wheel --outdir dist $$project || exit 1; done

bench: setup
	for program in benchmarks/*.py; do $(BIN)/python $$program || exit 1; done

lock:
	sh .ci/lock

clean:
	rm -rf $(VENV) dist var .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
