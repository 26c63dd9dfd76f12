# Verbs for people. The build itself is CMake; `make help` says what each verb does.
BUILD ?= dev
DIR := build/$(BUILD)
JOBS ?= $(shell nproc)
LAUNCHER := $(if $(shell command -v ccache),-DCMAKE_C_COMPILER_LAUNCHER=ccache)

# Ninja runs things side by side; the verbs themselves come one after another.
.NOTPARALLEL:
.PHONY: all build deps test-deps demo test unit e2e python asan tsan coverage fuzz bench bench-quick benchmarks bench-telemetry interop sweep crash-states lint check sbom fmt install deb docs clean help

all: build

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

deps: ## install the Debian packages that are missing
	@tools/install_deps.sh build

test-deps:
	@tools/install_deps.sh build test

$(DIR)/build.ninja:
	@cmake --preset $(BUILD) $(LAUNCHER) >/dev/null

build: deps $(DIR)/build.ninja ## build everything (BUILD=dev|release|asan|tsan|coverage)
	@cmake --build $(DIR) -j $(JOBS)

demo: ## build, then watch C and Python tasks flow through a durable control plane
	@tools/install_deps.sh build demo
	@$(MAKE) --no-print-directory build BUILD=release
	@demo/run.sh build/release

test: test-deps build ## build, then run every test: unit, end to end, Python, stock clients
	@tests/run.sh $(DIR)

unit: build ## only the C unit tests
	@ctest --test-dir $(DIR) -L unit --output-on-failure -j $(JOBS)

e2e: test-deps build ## only the end-to-end tests with real processes
	@ctest --test-dir $(DIR) -L e2e --output-on-failure

python: test-deps build ## only the Python package's tests
	@tests/python/run.sh $(DIR)

.PHONY: faults
faults: test-deps build ## the whole fault matrix on real processes (FAULTS="--only 1 --kills 500" for a part)
	@FASTQUEUE_BUILD=$(abspath $(DIR)) tests/faults/run.py $(FAULTS)

.PHONY: cluster
cluster: test-deps build ## kill, stop, cut off and wipe real nats-servers and control planes (CLUSTER="--only 1 --times 200" for a part)
	@FASTQUEUE_BUILD=$(abspath $(DIR)) tests/cluster/run.py $(CLUSTER)

.PHONY: evidence
evidence: ## what every suite has found, in one table (RUN=quick: run a short slice of each first; ALL=1: every figure)
	$(if $(filter quick,$(RUN)),@$(MAKE) --no-print-directory test-deps build)
	@FASTQUEUE_BUILD_DIR=$(DIR) tools/evidence.py $(if $(filter quick,$(RUN)),--quick) $(if $(ALL),--all) $(if $(SUITES),--only $(SUITES))

fuzz: ## each fuzzer for a while, in a table (FUZZ_SECONDS=60, FUZZ="core http" for some)
	@command -v clang >/dev/null || { echo "make fuzz: the fuzzers are built with clang: apt-get install clang"; exit 1; }
	@[ -f build/fuzz/build.ninja ] || cmake --preset fuzz $(LAUNCHER) >/dev/null
	@cmake --build build/fuzz -j $(JOBS) --target fuzzers
	@fuzz/run.py --seconds $(or $(FUZZ_SECONDS),60) $(FUZZ)

asan: test-deps ## unit and end-to-end tests under AddressSanitizer and UBSan
	@tests/sanitize.sh asan

tsan: test-deps ## tests of what has threads under ThreadSanitizer
	@tests/sanitize.sh tsan

coverage: test-deps ## every test with counters: branch coverage by layer (some 15 minutes)
	@tests/coverage.sh

interop: test-deps build ## against a real OpenTelemetry Collector, Prometheus and Jaeger (built once, some 6 minutes)
	@tests/interop/run.sh $(DIR)

sweep: test-deps build ## damage a journal at every byte, fail every n-th call; figures in build/evidence/
	@tests/sweep/run.sh $(DIR)

crash-states: test-deps build ## rebuild the disk for every crash point of a recorded run and recover from each (some minutes)
	@tests/crash/run.py $(DIR)

bench: ## measure FastQueue beside its peers, whole (BENCH_ARGS="--only cycle,ack"; see docs/benchmarks.md)
	@tools/install_deps.sh build bench
	@bench/python/install.sh
	@$(MAKE) --no-print-directory benchmarks BUILD=release
	@bench/run.py build/release $(BENCH_ARGS)

benchmarks: deps $(DIR)/build.ninja
	@cmake --build $(DIR) --target benchmarks -j $(JOBS)

bench-quick: ## the same with few tasks, one round: under five minutes
	@$(MAKE) --no-print-directory bench BENCH_ARGS="--quick $(BENCH_ARGS)"

.PHONY: bench-shards
bench-shards: ## what a task costs over 1, 2, 4 and 8 shards (SHARDS_ARGS="--tasks 400000 --rounds 1")
	@$(MAKE) --no-print-directory build BUILD=release
	@bench/shards.py build/release $(SHARDS_ARGS)

bench-telemetry: ## what telemetry costs, beside opentelemetry-cpp and -python (some 10 minutes)
	@$(MAKE) --no-print-directory build BUILD=release
	@bench/telemetry/run.sh build/release

.PHONY: sim sim-small sim-long fq-sim
SECONDS ?= 120
SIM = FASTQUEUE_COMMIT=$$(git rev-parse --short HEAD 2>/dev/null) $(DIR)/sim/fq-sim --jobs $(JOBS)
fq-sim: deps $(DIR)/build.ninja
	@cmake --build $(DIR) --target fq-sim -j $(JOBS)

sim: fq-sim ## fresh seeds of the simulator on every core (SECONDS=120; SIM_ARGS="--without power" and the like)
	@mkdir -p build/evidence
	@$(SIM) --seconds $(SECONDS) --evidence build/evidence/sim.json --keep build/evidence/sim-failure.txt --shrink $(SIM_ARGS)

sim-small: fq-sim ## every small world: scripts of up to DEPTH=5 commands, a crash at every call to the disk
	@mkdir -p build/evidence
	@$(SIM) --small $(or $(DEPTH),5) --evidence build/evidence/sim_small.json

.PHONY: mutants
mutants: fq-sim ## break copies of the product on purpose; the simulator has to find each bug (MUTANTS="--seconds 60 no_sync")
	@mkdir -p build/evidence
	@tools/mutants.py --build $(DIR) -j $(JOBS) $(MUTANTS)

sim-long: ## the simulator until it is stopped, in an optimised build, with its figures every minute
	@$(MAKE) --no-print-directory fq-sim BUILD=release
	@mkdir -p build/evidence
	@$(MAKE) --no-print-directory -s sim-run BUILD=release
.PHONY: sim-run
sim-run:
	@$(SIM) --reports --evidence build/evidence/sim-long.json --keep build/evidence/sim-failure.txt --shrink $(SIM_ARGS)

check: build ## static analysis, valgrind, hardening, symbols: every tool, one row each in build/evidence/checks.json
	@tools/install_deps.sh build test check
	@cmake --build $(DIR) -j $(JOBS)
	@tools/check.sh $(DIR)

sbom: build ## what the program stands on, with versions, as SPDX: build/fastqueue.spdx.json
	@tools/sbom.py check $(DIR)
	@tools/sbom.py print > build/fastqueue.spdx.json
	@echo "make sbom: build/fastqueue.spdx.json"

lint: test-deps build ## include law, formatting, generated documents
	@ctest --test-dir $(DIR) -L lint --output-on-failure

docs: build ## print docs/cli.md, configuration.md, errors.md, api-*.md and otel-conformance.md anew
	@cmake --build $(DIR) --target docs
	@tools/print_errors.py > docs/errors.md
	@tools/conformance.py print > docs/otel-conformance.md
	@tools/print_invariants.py $(DIR)/sim/fq-sim write
	@tools/print_api.py c > docs/api-c.md
	@tools/print_api.py python > docs/api-python.md

fmt: ## format the C code in place
	@tools/check_format.sh --fix

install: ## install into PREFIX (default /usr/local), below DESTDIR if that is set
	@$(MAKE) --no-print-directory build BUILD=release
	@mkdir -p "$(DESTDIR)$(or $(PREFIX),/usr/local)/bin" 2>/dev/null && [ -w "$(DESTDIR)$(or $(PREFIX),/usr/local)/bin" ] || \
	  { echo "make install: $(DESTDIR)$(or $(PREFIX),/usr/local) is not yours to write: be root, or name another place with PREFIX="; exit 1; }
	@cmake --install build/release --prefix $(or $(PREFIX),/usr/local)
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" != 0 ] || ldconfig

deb: ## make Debian packages in dist/
	@tools/install_deps.sh build deb
	@$(MAKE) --no-print-directory build BUILD=release
	@cd build/release && cpack -G DEB -B $(CURDIR)/dist && rm -rf $(CURDIR)/dist/_CPack_Packages

clean: ## forget every build
	@rm -rf build dist
