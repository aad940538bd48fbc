# Two commands do everything: `make run` (the app) and `make test` (every test). Both set up what they need.

PORT ?= 8501
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HEADLESS := $(shell if [ "$$(uname)" = Darwin ] || [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then echo false; else echo true; fi)

.PHONY: run test check format bench browser postgres clean
.DEFAULT_GOAL := run

run: $(VENV)/.run ## set up and open the app
	@echo "Takes opens at http://127.0.0.1:$(PORT)  (stop with Ctrl-C)"
	@exec $(BIN)/streamlit run streamlit_app.py --server.port $(PORT) --server.headless $(HEADLESS)

test: $(VENV)/.dev browser postgres ## set up and run every test
	@TAKES_BROWSER="$$(sh .ci/find browser)" $(BIN)/pytest

check: $(VENV)/.dev postgres ## the fast loop: format, lint, types, fast tests
	@$(BIN)/ruff format .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/pytest -q -m "not browser and not slow"

bench: $(VENV)/.dev browser ## print the ratios that the README states
	@TAKES_BROWSER="$$(sh .ci/find browser)" $(BIN)/python -m bench

browser:
	@sh .ci/need browser

postgres:
	@sh .ci/need postgres

$(VENV)/.run: requirements.txt
	@sh .ci/need python "$(PYTHON)"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@echo "Installing packages (once; about 400 MB) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@

clean: ## remove what the set-up made; your data stay
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
