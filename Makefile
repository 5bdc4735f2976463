# The two commands of the README (`make demo`, `make test`) and the habits around them.
# Everything is built into .venv; a second run only rebuilds what changed.

PYTHON ?= python3
CARGO_MINIMUM = 1.82
BIN = .venv/bin
RUST_SOURCES = $(shell find rust -name '*.rs' -o -name Cargo.toml -o -name Cargo.lock | grep -v target)
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL = help
.PHONY: help demo test sim soak check lint types walls rust-check contracts model lock bench mutants fuzz clean tools

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/ —/'

demo: .venv/.built  ## the whole story on embedded defaults; ends by itself with a report
	$(BIN)/fairway demo

test: .venv/.built .venv/.dev contracts/node_modules  ## every check and every test
	$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest -n 2 --dist worksteal

sim: .venv/.built .venv/.dev  ## histories, FAIRWAY_DAYS days with every fault, exits in bad weather, claims, kills, losses of power; SEED=n draws others
	FAIRWAY_SIM=1 $(BIN)/python -m pytest -n 2 --dist worksteal tests/simulation/test_exchange_machine.py \
		tests/simulation/test_days.py tests/simulation/test_leaving.py tests/simulation/test_power_loss.py tests/contracts/test_condition_model.py tests/e2e/test_service_crash.py

check: .venv/.built .venv/.dev lint types walls rust-check  ## lint, types, import walls, clippy

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

walls:
	$(BIN)/lint-imports --no-cache

rust-check:
	cd rust && cargo fmt --check
	cd rust && cargo clippy --release --quiet --package fairway-core --all-targets -- -D warnings
	cd rust && cargo test --release --quiet --package fairway-core

tools:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "fairway needs Python 3.11, 3.12 or 3.13 (make PYTHON=/path/to/python3)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "fairway needs Python's venv module (Debian: apt-get install python3-venv)"; exit 1; }
	@command -v cargo >/dev/null || { echo "fairway needs cargo $(CARGO_MINIMUM) or newer to build its Rust core"; exit 1; }
	@printf '%s\n%s\n' "$(CARGO_MINIMUM)" "$$(cargo --version | cut -d' ' -f2)" | sort -VC || { echo "fairway needs cargo $(CARGO_MINIMUM) or newer; this is $$(cargo --version)"; exit 1; }

.venv/.run: requirements/run.txt | tools
	@echo "== installing the locked requirements into .venv"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --require-hashes -r requirements/run.txt
	@touch $@

.venv/.built: .venv/.run pyproject.toml $(RUST_SOURCES)
	@echo "== building the Rust core (a minute or two the first time)"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pip install --quiet --no-build-isolation --no-deps --editable .
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.run
	@echo "== installing the locked development requirements"
	@$(BIN)/pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

# The contracts ship compiled; node is only for the tests: the compiler, and a second machine to run them on.
contracts/node_modules: contracts/package-lock.json contracts/.npmrc
	@if command -v npm >/dev/null; then echo "== installing the contract compiler and sandbox"; cd contracts && npm ci --silent --no-audit --no-fund --ignore-scripts && touch node_modules; \
	else echo "== no npm: the tests that recompile the contracts or run them on a second machine will be skipped"; fi

contracts: contracts/node_modules  ## recompile the Tolk contracts into the package
	cd contracts && node build.mjs

.venv/.peers: requirements/peers.txt .venv/.run
	@echo "== installing the matchers that ours is measured beside"
	@$(BIN)/pip install --quiet --require-hashes -r requirements/peers.txt
	@touch $@

bench: .venv/.built .venv/.dev .venv/.peers  ## benchmarks, as ratios measured in one run; reports in benchmarks/reports (some minutes)
	$(BIN)/python -m benchmarks

soak: .venv/.built .venv/.dev  ## a real service under RATE orders a second for MINUTES, then ten times as much; fails where it grows or loses
	$(BIN)/python -m benchmarks.soak $(if $(RATE),--rate $(RATE)) $(if $(MINUTES),--minutes $(MINUTES)) --report benchmarks/reports/soak.json

.venv/.mutants: requirements/mutants.txt .venv/.dev
	@echo "== installing the maker of mutants"
	@$(BIN)/pip install --quiet --require-hashes -r requirements/mutants.txt
	@touch $@

mutants: .venv/.built .venv/.dev .venv/.mutants  ## every small change of money, channel and vault code, shown to its tests; what is left (hours)
	$(BIN)/mutmut run --max-children 1
	$(BIN)/python -m benchmarks.mutants survivors
	$(BIN)/python -m benchmarks.outside

model:  ## every state of the channel's protocol at its bound, and its planted bugs (needs spin, gcc)
	$(PYTHON) models/run.py

.venv/.fuzz: requirements/fuzz.txt .venv/.run
	@echo "== installing the fuzzer that coverage leads"
	@$(BIN)/pip install --quiet --require-hashes -r requirements/fuzz.txt
	@touch $@

fuzz: .venv/.built .venv/.dev .venv/.fuzz  ## a million altered proofs, a million inputs to each decoder (twice), a million requests (hours)
	cd rust && FAIRWAY_MUTATIONS=1000000 cargo test --release --quiet --package fairway-core --test mutations
	FAIRWAY_REFERENCE_PROOFS=1000 $(BIN)/python -m pytest -n 2 tests/reference
	$(BIN)/python -m fuzz decoders --runs 1000000
	$(BIN)/python -m fuzz guided all --runs 1000000
	$(BIN)/python -m fuzz api --requests 10000 --http
	$(BIN)/python -m fuzz api --requests 1000000

lock:  ## refresh the hash-locked requirements (needs uv)
	uv pip compile -q --generate-hashes --python-version 3.11 --universal --no-emit-index-url --no-header pyproject.toml requirements/run.in -o requirements/run.txt
	uv pip compile -q --generate-hashes --python-version 3.11 --universal --no-emit-index-url --no-header pyproject.toml requirements/dev.in -c requirements/run.txt -o requirements/dev.txt
	uv pip compile -q --generate-hashes --python-version 3.11 --universal --no-emit-index-url --no-header pyproject.toml requirements/fuzz.in -c requirements/run.txt -c requirements/dev.txt -o requirements/fuzz.txt
	uv pip compile -q --generate-hashes --python-version 3.11 --universal --no-emit-index-url --no-header pyproject.toml requirements/mutants.in -c requirements/run.txt -c requirements/dev.txt -o requirements/mutants.txt
	uv pip compile -q --generate-hashes --python-version 3.11 --universal --no-emit-index-url --no-header pyproject.toml requirements/ray.in -c requirements/run.txt -o requirements/ray.txt
	uv pip compile -q --generate-hashes --python-version 3.11 --universal --no-emit-index-url --no-header requirements/peers.in -c requirements/run.txt -c requirements/dev.txt -o requirements/peers.txt

clean:  ## remove what was built
	rm -rf .venv rust/target contracts/node_modules
