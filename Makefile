# Each target does its own set-up. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help setup anvil asan valgrind fuzz devnet demo test test-clients test-stylus quick torture openrpc clients fmt clippy doc deny contracts bench bench-rpc estimate gas kernels oracle spec self-host

LATHE := target/release/lathe

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: ## install what the build needs and build RocksDB once
	@scripts/setup.sh

devnet: $(LATHE) ## build, and start a devnet on 127.0.0.1:8545
	@$(LATHE) node

demo: $(LATHE) ## start a node, deploy the calculator, talk to it, show the receipts
	@cargo run --quiet --locked --release -p lathe-tests --bin demo -- $(LATHE)

test: setup clients anvil ## everything that CI wants
	@scripts/test.sh all

test-stylus: $(LATHE) ## install cargo-stylus (takes long) and drive the node with it (RECORD=1 keeps its requests)
	@scripts/stylus.sh $(LATHE) $(if $(RECORD),--record)

test-clients: $(LATHE) ## install nine clients, run each through the scenario, write tests/clients/TABLE.md (CLIENTS="viem ape": these)
	@scripts/clients.sh all
	@cargo run --quiet --locked --release -p lathe-tests --no-default-features --bin clients -- $(LATHE) \
		$(if $(CLIENTS),$(CLIENTS),--table $(CURDIR)/tests/clients/TABLE.md)

torture: setup ## kill a loaded node 500 times and check what is left (KILLS=N)
	@cargo run --quiet --locked -p lathe-tests --features torture --bin torture-node -- --version >&2
	@cargo run --quiet --locked -p lathe-tests --features torture --bin torture -- --kills $(or $(KILLS),500)

openrpc: $(LATHE) ## hold every answer of a node to the schemas of an OpenRPC document (SCHEMA=FILE)
	@test -n "$(SCHEMA)" || { echo "which document? make openrpc SCHEMA=openrpc.json" >&2; exit 2; }
	@cargo run --quiet --locked --release -p lathe-tests --features openrpc --bin openrpc -- $(LATHE) $(SCHEMA)

quick: ## the tests that need neither RocksDB nor a node
	@scripts/test.sh quick

clients: ## install the clients that `make test` drives
	@scripts/clients.sh

anvil: ## install the devnet that a test forks
	@scripts/anvil.sh >/dev/null

bench: ## race the engines against others: speed, start-up, instances (clang builds wasm3)
	@CC=$$(command -v clang-19 clang | head -1) cargo bench --locked -p lathe-tests --features peers --bench engine --bench startup --bench instances

bench-rpc: $(LATHE) ## our node beside anvil: start, memory, transfers, calls, mining (npm installs anvil)
	@anvil=$$(scripts/anvil.sh) && cargo bench --quiet --locked -p lathe-tests --no-default-features --bench rpc -- \
		--lathe $(CURDIR)/$(LATHE) --anvil $$anvil

gas: setup ## how long a gas takes, in every instruction, host function and hostile program; writes gas/CALIBRATION.md (ROUNDS=15)
	@cargo bench --locked -p lathe-tests --bench gas -- --rounds $(or $(ROUNDS),15) --table $(CURDIR)/gas/CALIBRATION.md

spec: ## the Wasm test suite on every engine, a line of JSON for each suite
	@scripts/json.sh cargo test --locked -p lathe-tests --no-default-features --test spec -- --nocapture --test-threads=2

estimate: ## gas estimates of transactions with every example contract: each limit, and one gas less
	@scripts/json.sh cargo test --locked -p lathe-contracts-tests --test contracts estimates_are_exact -- --nocapture --test-threads=2

oracle: ## every engine against the plain one, over thousands of generated modules
	@LATHE_ORACLE_MODULES=$${LATHE_ORACLE_MODULES:-2000} LATHE_ORACLE_EXPRESSIONS=$${LATHE_ORACLE_EXPRESSIONS:-1000} scripts/json.sh \
		cargo test --locked --release -p lathe-tests --no-default-features --test oracle every_engine -- --nocapture --test-threads=2

asan: ## the tests of the VM under AddressSanitizer
	@scripts/asan.sh

valgrind: ## a suite of the Wasm test suite under valgrind (SUITE=bulk_memory)
	@scripts/valgrind.sh $(or $(SUITE),bulk_memory)

fuzz: ## fuzz each target (SECONDS=600, TARGETS="module execute engines peers")
	@scripts/fuzz.sh $(or $(SECONDS),600) $(or $(TARGETS),module execute engines peers)

kernels: ## build the kernels of the benches again
	@scripts/kernels.sh

self-host: ## run kernels in Lathe inside Lathe (needs the Wasm compiler of `make contracts`)
	@scripts/self-host.sh

fmt: ## format the code
	@cargo fmt --all

clippy: setup ## lint the code
	@cargo clippy --locked --workspace --all-targets -- -D warnings

doc: setup ## build the documentation
	@RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

deny: ## check licences and advisories of the dependencies (needs cargo-deny)
	@cargo deny check

contracts: ## build the example contracts again
	@scripts/contracts.sh --build

# Cargo knows what is out of date.
.PHONY: $(LATHE)
$(LATHE): setup
	@echo "Building lathe (release)..." >&2
	@cargo build --locked --release -p lathe-node
