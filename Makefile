# What people and CI call. Everything sets itself up in .venv; nothing is installed outside of it.
.DEFAULT_GOAL := help
.PHONY: help plan test check lab fmt docs wheel bench demo clean

PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/.installed

# Hundreds of tests start an interpreter, which would compile all of it anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## This list
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile | while IFS='	' read -r name what; do printf '%-7s %s\n' "$$name" "$$what"; done

plan: $(SETUP) ## What hardening this very machine would change; reads, changes nothing
	@$(BIN)/oakum plan @local; code=$$?; case $$code in 0|1|3) ;; *) exit $$code ;; esac

test: check lab ## Everything: check, then the lab

check: $(SETUP) ## Format, lint, types, unit tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/shellcheck oakum/host/*.sh tests/lab/*.sh tests/lab/rootfs/usr/local/sbin/* tests/lab/stubs/* .ci/run
	$(BIN)/pytest -m "not lab" -n 6 # many of them wait

lab: $(SETUP) ## The same code against real hosts; needs root
	@if [ "$$(id -u)" = 0 ]; then ! command -v apt-get >/dev/null || sh tests/lab/setup.sh; \
	elif [ -z "$$CI" ]; then \
	  echo '=============================================================='; \
	  echo 'LAB NOT RUN: real hosts need root. Run: sudo make lab'; \
	  echo '=============================================================='; \
	fi
	$(BIN)/pytest tests/lab -n 3 --dist loadfile --no-loadscope-reorder # longest files first

fmt: $(SETUP) ## Format and fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(SETUP) ## Write the generated pages anew
	$(BIN)/python tools/docs.py

wheel: $(SETUP) ## Build dist/oakum-*.whl
	$(BIN)/python -m pip -q wheel --no-deps --wheel-dir dist .

bench: $(SETUP) ## Figures of speed, as ratios; as root also of simulated fleets
	@[ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || sh tests/lab/setup.sh
	$(BIN)/python -m bench.bench $(ARGS)

demo: $(SETUP) ## As root: one disposable host, audited, planned, hardened, and taken away
	sh tests/lab/setup.sh
	$(BIN)/python -m tests.lab.demo

clean: ## Remove what make made
	rm -rf .venv dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Dependency groups need pip 25.1, which Debian 12 does not have yet.
$(SETUP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'oakum needs Python 3.11 or later; try make PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo 'Python has no ensurepip here. On Debian: apt-get install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip -q install --upgrade 'pip>=25.1'
	$(BIN)/python -m pip -q install --editable . --group dev
	@touch $@
