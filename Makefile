# `make help` lists what there is. Needs Python 3.11 or newer and make; everything else is installed into .venv.

VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.installed-run
DEV := $(VENV)/.installed-dev
ARGS ?=
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null && echo $$python && break; done)

.DEFAULT_GOAL := help
.PHONY: help demo test torture lint format bench eval python

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo 'make test ARGS="-k consent -x" passes arguments on; so do demo, bench and eval.'

demo: $(RUN)  ## install, then run Herald with example data on 127.0.0.1:8000
	@trap : INT; $(BIN)/herald demo $(ARGS); status=$$?; [ $$status -eq 130 ] && exit 0; exit $$status

test: $(DEV)  ## run every test
	$(BIN)/pytest $(ARGS)

torture: $(DEV)  ## kill the mail worker a hundred times on each database; takes long
	HERALD_TORTURE_KILLS=100 HERALD_TORTURE_SUBSCRIBERS=5000 $(BIN)/pytest tests/torture -s --timeout 3600 $(ARGS)

lint: $(DEV)  ## check format, style and types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

format: $(DEV)  ## format the code and mend what ruff can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(DEV)  ## run the benchmarks, each against the raw limit
	@set -e; for file in benchmarks/[a-z]*.py; do name=$$(basename $$file .py); \
		echo "benchmarks.$$name"; $(BIN)/python -m benchmarks.$$name $(ARGS); done

eval: $(DEV)  ## measure how well matching and consent are read, on the text in the repository
	$(BIN)/herald eval match embeddings/training/match_dev.jsonl $(ARGS)
	$(BIN)/herald eval consent embeddings/training/consent_dev.jsonl $(ARGS)

python:
	@test -n "$(PYTHON)" || { echo "Herald needs Python 3.11, 3.12, 3.13 or 3.14, and finds none on the PATH." >&2; \
		echo "Install one, or name it: make demo PYTHON=/path/to/python3.12" >&2; exit 1; }

$(RUN): pyproject.toml constraints.txt | python
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --upgrade pip
	@$(BIN)/python scripts/download_size.py
	$(BIN)/pip install -c constraints.txt -e .
	@touch $@

$(DEV): $(RUN)
	$(BIN)/pip install --quiet -c constraints.txt --group dev
	@touch $@
