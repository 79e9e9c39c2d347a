.DEFAULT_GOAL := help
.PHONY: help test demo lint clean distclean

VENV := .venv
BIN := $(VENV)/bin
SUPPORTED := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	"$$p" -c "$(SUPPORTED)" 2>/dev/null && echo "$$p" && break; done)

help:
	@echo "make test              set up .venv if needed and run the tests"
	@echo "make demo              pretrain, embed and predict on simulated subjects"
	@echo "make demo DATA=path    the same on your derivatives; results in demo_output/"
	@echo "make lint              ruff, mypy and the import layers"
	@echo "make clean             remove caches, build files and demo_output/"
	@echo "make distclean         make clean, and remove .venv"
	@echo "PYTHON=path            the Python (3.11 or newer) that .venv is made from"

test: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

demo: $(VENV)/.installed-test
	$(BIN)/python examples/demo.py --output demo_output $(if $(DATA),--data "$(DATA)")

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy bsymlearn
	$(BIN)/lint-imports

# The stamp goes first and comes back last, so an interrupted installation is resumed. A venv
# without a working pip was interrupted earlier still; `venv` completes it in place.
$(VENV)/.installed-%: setup.cfg pyproject.toml constraints.txt
	@rm -f $@
	@$(BIN)/python -m pip show --quiet pip 2>/dev/null || { \
		"$(PYTHON)" -c "$(SUPPORTED)" || { \
			echo "bsymlearn needs Python 3.11 or newer, but '$(PYTHON)' is not one;" \
				"name one with: make PYTHON=/path/to/python3.11" >&2; exit 1; }; \
		"$(PYTHON)" -m venv $(VENV); }
	$(BIN)/python -m pip install -c constraints.txt -e ".[$*]"
	@touch $@

clean:
	rm -rf build dist demo_output *.egg-info .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis
	find bsymlearn tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
