# Two commands: `make demo` and `make test`. Both create and fill .venv from requirements.lock first.
PYTHON ?= python3.11
SERVE ?= 1
NAME ?= serving
BIN := .venv/bin
READY := .venv/.ready
TORCH := torch==2.13.0

export MLFLOW_DISABLE_TELEMETRY := true
export BENTOML_DO_NOT_TRACK := true

.PHONY: demo test check bench clean

demo: $(READY)
	$(BIN)/forewarn demo $(if $(filter 0,$(SERVE)),--no-serve,--serve)

test: $(READY)
	$(BIN)/pytest

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(READY)
	$(BIN)/python -m tests.speed.$(NAME)

clean:
	rm -rf .venv data/demo

# torch goes first under its own pin, so that no later package draws in another build of it.
$(READY): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@
