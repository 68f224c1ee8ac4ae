# make help lists the targets.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X main.version=$(VERSION)
DEPS    := $(shell scripts/deps --bin)
PKGS    := ./...

export PATH := $(DEPS):$(PATH)

# Where the demo listens and what the bench does; set them on the command line.
DEMO_LISTEN  ?= 127.0.0.1:8080
BENCH_EVENTS ?= 10000000
BENCH_JSON   ?= bin/bench.json
BENCH_FLAGS  ?=
GROWTH       ?= 1000000 10000000 60000000
GROWTH_TABLE ?= bin/growth.md
PEERS_EVENTS ?= 10000000
PEERS_TABLE  ?= bin/peers.md
PEERS_FLAGS  ?= --ask-time 3s --ingest-time 20s
FAULTS       := KillNine|Failing|Trouble|ReadOnly|SecondServer|Standstill|Spoiled|Foreign|Crowds|Hostile|FilesThat|DataPath
FUZZTIME     ?= 10m
FUZZ         ?= .
TAGS         ?=
MINUTES      ?= 60

.PHONY: help build demo demo-stop test test-race check lint fmt arch deps bench bench-growth bench-peers profile fuzz crash soak clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/annal
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/annal ./cmd/annal

demo: build ## a server on DEMO_LISTEN with real audit logs in it
	@scripts/demo start $(DEMO_LISTEN)

demo-stop: ## stop it
	@scripts/demo stop

deps: ## fetch what the tests need, once
	@scripts/deps

test: deps build ## every test, those against real counterparts included
	$(GO) test -tags integration -timeout 15m $(PKGS)

test-race: $(if $(TAGS),deps) ## every test that needs Go alone, under the race detector with all it starts (TAGS=integration: make test's)
	$(GO) test -race -tags '$(TAGS)' -timeout 25m $(PKGS)

check: build lint arch ## everything a machine can say without running the program

lint: deps fmt ## vet, staticcheck, gofmt and a tidy go.mod
	$(GO) vet -tags integration $(PKGS)
	staticcheck -tags integration $(PKGS)
	$(GO) mod tidy -diff

fmt:
	@files=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$files" ] || { echo "gofmt would change:"; echo "$$files"; exit 1; }

arch: ## the shape: import tiers, sizes, comments
	$(GO) test ./internal/arch/

bench: build ## BENCH_EVENTS events over loopback HTTP, figures to BENCH_JSON; from 1 M on an earlier version too (BENCH_BASE=)
	@scripts/bench $(BENCH_EVENTS) $(BENCH_JSON) $(BENCH_FLAGS)

bench-growth: build ## the same at GROWTH events, as one table in docs/performance.md
	@scripts/bench-growth '$(GROWTH)' $(GROWTH_TABLE) $(BENCH_FLAGS)

bench-peers: build ## the same PEERS_EVENTS and questions for SQLite, DuckDB, PostgreSQL and VictoriaLogs, as one table in docs/performance.md
	@bench/peers/run $(CURDIR)/bin/annal $(CURDIR)/$(PEERS_TABLE) --events $(PEERS_EVENTS) $(PEERS_FLAGS)

profile: build ## a new cmd/annal/default.pgo, which the compiler optimises by
	@scripts/profile

fuzz: ## every fuzzer (or FUZZ='FuzzCursor|FuzzParams') for FUZZTIME; what is new goes into testdata/corpus
	@scripts/fuzz $(FUZZTIME) '$(FUZZ)'

# The faults of make test, more of each: 500 kills, 102,000 power cuts, every failing call, a minute's standstill.
crash: deps ## every fault, at length (about half an hour)
	ANNAL_CRASH_RUNS=17000 $(GO) test -timeout 90m -run 'PowerCut|Resume|Damage|Flipped|Files' ./internal/store/ ./internal/wal/
	ANNAL_KILLS=500 ANNAL_FLIPS=2000 ANNAL_FAILING_CALLS=1000 ANNAL_STANDSTILL_SECONDS=60 ANNAL_CROWD_SECONDS=15 \
		$(GO) test -tags integration -timeout 60m -v -run '$(FAULTS)' ./cmd/annal/

soak: deps ## model, power cuts, kills, crowds and hostile data in turn for MINUTES
	@scripts/soak $(MINUTES)

clean: ## remove what was built; data and caches stay
	rm -rf bin
