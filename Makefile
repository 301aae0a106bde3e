# make run   installs into .venv and runs the default workflow
# make test  installs into .venv and runs every check
# make lock  writes envs/constraints.txt anew from the ranges in pyproject.toml
PYTHON ?= python3
CORES ?= all
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)

.PHONY: run test lint lock clean

run: .venv/installed
	snakemake --cores $(CORES)

test: lint
	OMP_NUM_THREADS=1 pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

lint: .venv/installed-dev
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	mypy
	snakemake --lint

.venv/installed: pyproject.toml envs/constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint envs/constraints.txt --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet --constraint envs/constraints.txt --editable '.[dev,slurm,xtb]'
	touch $@

lock:
	envs/lock.sh

clean:
	rm -rf .venv .snakemake
