# The one task runner. `make help` lists what there is.
.DEFAULT_GOAL := help
export UV_PYTHON_DOWNLOADS := never
UV := $(or $(shell command -v uv 2>/dev/null),.tools/bin/uv)
BIN := .venv/bin

.tools/bin/uv:
	python3 -m venv .tools
	.tools/bin/pip install --quiet --disable-pip-version-check uv

# constraints.txt pins what was tested; `make pins` renews it.
.venv/.synced: pyproject.toml constraints.txt | $(filter .tools/%,$(UV))
	$(UV) venv --quiet --allow-existing --python '>=3.11' .venv
	$(UV) pip install --quiet --python .venv -c constraints.txt -e '.[all]' --group dev
	@touch $@

.PHONY: help install demo test lint check coverage faults soak bench docs pins clean
help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/.synced  ## put everything into .venv

demo: .venv/.synced  ## the main job, everything embedded
	$(BIN)/taximeter demo

# Three at a time on two cores, a file each: much of it waits for processes and for Kafka.
test: .venv/.synced  ## the whole suite
	$(BIN)/pytest -q -n 3 --dist loadfile

lint: .venv/.synced  ## ruff, mypy strict, pyright, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports

check: lint test  ## what CI runs: lint, then the suite

coverage: .venv/.synced  ## the suite, slower, and what of the code it ran
	$(BIN)/coverage run -m pytest -q
	# Of this process: what runs in children (agents, commands, bench) is not counted.
	@$(BIN)/coverage report --skip-covered --fail-under=78

TAXIMETER_FAULT_SEEDS ?= 1 2 3
faults: .venv/.synced  ## every fault during 100,000 events; TAXIMETER_FAULT_SEEDS="1 2 3"
	for seed in $(TAXIMETER_FAULT_SEEDS); do \
	  TAXIMETER_FAULT_EVENTS=100000 TAXIMETER_FAULT_SEED=$$seed \
	  $(BIN)/pytest -q -m "" tests/faults || exit 1; \
	done

TAXIMETER_SOAK_SECONDS ?= 1200
soak: .venv/.synced  ## 20 minutes at half the saturation rate, a fault every 30 s
	TAXIMETER_SOAK_SECONDS=$(TAXIMETER_SOAK_SECONDS) \
	  $(BIN)/pytest -q -s -p no:cacheprovider tests/faults/soak/test_soak.py

bench: .venv/.synced  ## the speed table of docs/performance.md
	$(BIN)/taximeter bench

pins: .venv/.synced  ## renew constraints.txt from pyproject.toml
	$(UV) pip compile --quiet --upgrade --all-extras --group dev --no-header --no-annotate --no-emit-index-url pyproject.toml -o constraints.txt

clean:  ## remove what was installed and built
	rm -rf .venv .tools dist .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
