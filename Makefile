# make demo and make test are all that a newcomer needs. Everything runs with
# Go alone; what a target needs beyond Go it says and skips.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
BUILD    = CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"

.PHONY: help demo build test check generate bench clean

help:
	@echo 'make demo      build, start a node, run the whole mTLS set-up through the AWS SDK, stay up'
	@echo 'make test      every test, with the race detector'
	@echo 'make check     gofmt, vet, staticcheck, generated code, known vulnerabilities'
	@echo 'make build     bin/countersign, static'
	@echo 'make generate  rewrite the generated tables from the service models'
	@echo 'make bench     CPU per operation: data plane (beside nginx where it is installed), OCSP, CRLs, issuance (beside step-ca), a deployment'

build:
	$(BUILD) -o bin/countersign ./cmd/countersign

demo: build
	./bin/countersign demo

# The race detector needs cgo and a C compiler; without them the tests still run, and say so.
test:
	@if [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v "$$($(GO) env CC)" >/dev/null 2>&1; then \
	  $(GO) test -race -timeout 9m ./...; \
	else \
	  echo 'note: no C compiler found; running without the race detector (apt-get install gcc)'; \
	  CGO_ENABLED=0 $(GO) test -timeout 9m ./...; \
	fi

check:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "gofmt would change: $$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@$(MAKE) --no-print-directory generate
	@git diff --exit-code --stat -- '*/zz_*' || { echo 'generated code is stale: commit what make generate wrote'; exit 1; }
	@if $(GO) tool govulncheck ./... > .govulncheck.out 2>&1; then echo 'govulncheck: nothing known'; rm -f .govulncheck.out; \
	elif grep -qiE 'fetching vulnerabilities|dial tcp|no such host|Forbidden|proxyconnect|connection refused' .govulncheck.out; then \
	  echo 'govulncheck: its database cannot be reached from here; skipped'; rm -f .govulncheck.out; \
	else cat .govulncheck.out; rm -f .govulncheck.out; exit 1; fi

generate:
	$(GO) generate ./wire/... ./keys/...

bench:
	$(GO) run ./bench
	$(GO) run ./bench/ocsp
	$(GO) run ./bench/crl
	$(GO) run ./bench/revoked
	$(GO) run ./bench/issue
	$(GO) run ./bench/deploy

clean:
	rm -rf bin
