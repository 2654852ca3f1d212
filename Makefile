# `make run` and `make test` are all that a fresh machine needs.
BIN := .venv/bin
CODE := ropero tests benchmarks scripts

.PHONY: run test test-all check texts clean

# Train the default network on Fashion-MNIST, open the test set once, write the report. A tenth of the training images
# is held out, so that the report can say how well calibrated the network is and when it is sure.
run: .venv/run
	$(BIN)/ropero train --validation 0.1 --report

# Everything but the slow and the GPU tests.
test: .venv/dev
	$(BIN)/ropero data >/dev/null || true
	$(BIN)/python -m pytest

test-all: .venv/dev
	$(BIN)/ropero data >/dev/null
	$(BIN)/python -m pytest -m "not gpu"

check: .venv/dev
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/python scripts/texts.py --check
	$(BIN)/python -m pytest tests/test_architecture.py

# Extract new messages into the catalogues and compile them.
texts: .venv/dev
	$(BIN)/python scripts/texts.py

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/run: pyproject.toml constraints.txt
	scripts/venv report
	@touch $@

.venv/dev: pyproject.toml constraints.txt
	scripts/venv dev
	@touch $@
