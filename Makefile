# Each target does all it needs on a machine with Python 3.10 to 3.12, make and a compiler.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.PHONY: help venv train test test-ci test-slow test-wheels learn chaos chaos-sweep report bench docs lint format clean

help:
	@echo "make venv       .venv with what Atari, the control suite and the tests need"
	@echo "make train      train DreamerV2 on ALE Kung-Fu Master, small model, under ten minutes on two cores"
	@echo "make test       lint and the fast tests"
	@echo "make test-ci    the tests that start browsers, clusters or attacks"
	@echo "make test-slow  the tests that take minutes"
	@echo "make test-wheels  the wheel in empty environments of Python 3.10, 3.11 and 3.12"
	@echo "make learn      trains on the quick tasks and checks the returns, about 50 minutes"
	@echo "make chaos      kills training processes at random and compares what they leave behind"
	@echo "make chaos-sweep  the same with a sweep: trainings, workers, a node, the sweep itself"
	@echo "make report     report.html: the runs in runs/ and the published baselines"
	@echo "make bench      the benchmarks, one after the other, as a table"
	@echo "make docs       the documentation as a site, in build/site"
	@echo "make lint       check style, types and layers; make format applies the style"

venv: $(VENV)/installed

$(VENV)/installed: setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))' || { \
	  echo "$$($(PYTHON) --version) is not supported: name Python 3.10, 3.11 or 3.12," \
	       "as in make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "Python cannot make virtual environments: install its venv module" \
	       "(Debian, Ubuntu: apt-get install python3-venv)"; exit 1; }
	@echo "Installing into $(VENV); this takes a few minutes the first time."
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@$(BIN)/python -c 'import cv2' || { \
	  echo "OpenCV needs system libraries" \
	       "(Debian, Ubuntu: apt-get install libgl1 libglib2.0-0)"; exit 1; }
	@touch $@

train: venv
	$(BIN)/python -m dreamer_tf.train --gin_files=quickstart.gin

test: lint
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist=worksteal

test-ci: venv
	$(BIN)/python -m pytest -q -m ci || test $$? -eq 5  # 5: there is no such test

test-wheels: venv
	$(BIN)/python tests/packaging/wheels.py

test-slow: venv
	$(BIN)/python -m pytest -q -m slow

learn: venv
	SEED=$(or $(SEED),0) $(BIN)/python -m pytest -s -m learn tests/learning/test_targets.py

chaos: venv
	$(BIN)/python -m pytest -s -m chaos tests/reliability --ignore=tests/reliability/test_sweep.py

chaos-sweep: venv
	$(BIN)/python -m pytest -s -m chaos tests/reliability/test_sweep.py

report: venv
	$(BIN)/python -m dreamer_tf.compare --out=report.html \
	  $(patsubst %,--runs='%',$(if $(wildcard runs/*/*/*/scores.json),runs/*/*/*))

bench: venv
	$(BIN)/python benchmarks/table.py

docs: venv
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@! test -x $(BIN)/hadolint || $(BIN)/hadolint Dockerfile  # has no wheel for every system

format: venv
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info
