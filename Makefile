# make test is the whole: it installs what the tests need, vets, lints, and runs everything with the race detector.
# The other targets are its parts, and fuzz, which goes on for as long as you like.

GO       ?= go
FUZZTIME ?= 10s
LINT      = $(GO) tool -modfile=.ci/tools.mod golangci-lint

.PHONY: test build deps vet lint race fuzz lab bench

test: deps vet lint race

build:
	$(GO) build -o hither ./cmd/hither

deps:
	.ci/deps

# Every system that Hither is built for is vetted, because each has files of its own. The tests of what changes the machine
# are linked too.
vet:
	$(GO) vet ./...
	for os in linux darwin windows; do for arch in amd64 arm64; do \
		GOOS=$$os GOARCH=$$arch $(GO) vet ./... || exit 1; done; done
	for os in darwin windows; do for package in $$($(GO) list ./install/... ./resolver/...) ./cmd/hither ./cmd/hither/child ./cmd/hither/e2e; do \
		GOOS=$$os $(GO) test -c -o /dev/null $$package || exit 1; done; done

lint:
	shellcheck .ci/run .ci/deps .ci/fuzz bench/peers
	$(LINT) run

# The seeds of the fuzz tests run here too. HITHER_LIVE=0 leaves out what needs the real registries.
race:
	$(GO) test -race -timeout 25m ./...
	$(GO) test -run Early ./forward/transport # not under the race detector: early.go there tells why

fuzz:
	.ci/fuzz $(FUZZTIME)

# Far links in namespaces, and what Hither makes of them: bench/README.md. It needs root. LAB=-short is quicker.
lab:
	$(GO) run ./bench/mirrors $(LAB)

# Real clients beside going direct, over emulated lines, and servers beside their peers: bench/README.md. It needs root.
# BENCH=-short takes six minutes instead of forty.
bench: deps
	bench/peers
	$(GO) run ./bench/dns $(filter -short,$(BENCH)); dns=$$?; $(GO) run ./bench/speed $(BENCH) && exit $$dns
