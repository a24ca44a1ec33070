# make demo: animate the portrait that comes with scikit-image; make test: every check there is.
# Both set up .venv first, and again only when pyproject.toml or constraints.txt change.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(or $(shell for p in python3.11 python3.12; do $$p -c '' 2>&- && echo $$p && break; done),python3)
PYTEST_ARGS ?= -n 2 --dist worksteal
HEADLESS := opencv-contrib-python-headless==4.11.0.86
LOCK := pyproject.toml constraints.txt

.DEFAULT_GOAL := demo
.PHONY: demo test lint clean

demo: $(VENV)/ready-demo
	@$(BIN)/faceanime demo

test: lint
	@$(BIN)/pytest $(PYTEST_ARGS)

lint: $(VENV)/ready-dev
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy

clean:
	rm -rf $(VENV) out build dist .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v in ((3, 11), (3, 12)) or sys.exit( \
	    "faceanime needs Python 3.11 or 3.12, found %d.%d; name one with: make PYTHON=/path/to/python3.11" % v)'
	@$(PYTHON) -c 'import platform, sys; (sys.platform, platform.machine()) != ("darwin", "x86_64") or sys.exit( \
	    "faceanime does not run on macOS with an Intel processor: torch has had no build for it since 2.2")'
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

# mediapipe asks for an OpenCV that needs the system's libGL. Its headless build serves as well and needs nothing;
# both write into the same folder, so the one has to go before the other comes.
$(VENV)/ready-%: $(BIN)/python $(LOCK)
	@echo "installing faceanime[$*]: a few minutes the first time"
	@$(BIN)/python -m pip install -qq --only-binary :all: -c constraints.txt -e '.[$*]'
	@$(BIN)/python -m pip uninstall -qq --yes opencv-contrib-python opencv-contrib-python-headless
	@$(BIN)/python -m pip install -qq --only-binary :all: --no-deps $(HEADLESS)
	@$(BIN)/python -c 'import cv2'
	@touch $@ $(VENV)/ready-demo  # the dev extra holds the demo's
