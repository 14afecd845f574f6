# tapedeck: `make` lists the targets.
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X main.version=$(VERSION)
LINT     = golangci-lint
LINT_VERSION = v2.5.0
TOOLS    = $(CURDIR)/.cache/bin
export CGO_ENABLED = 1

.DEFAULT_GOAL := help
.PHONY: help build run test check lint examples bench fuzz golden test-kafka test-aws lambda crash clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

build: ## build bin/tapedeck
	@mkdir -p bin
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/tapedeck ./cmd/tapedeck

run: build ## build and start the workstation on embedded defaults (ARGS="--feed replay …" for more)
	@bin/tapedeck $(ARGS)

test: ## run every test with the race detector
	$(GO) test -race -timeout 20m ./...

check: lint test examples ## what CI runs

lint: $(TOOLS)/$(LINT) ## vet, format, import rules
	$(GO) vet ./...
	$(TOOLS)/$(LINT) run ./...

$(TOOLS)/$(LINT):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

examples: build ## run the examples
	@for e in examples/*/run.sh; do echo "== $$e"; bash $$e || exit 1; done

bench: ## benchmarks, each with its ratio
	$(GO) test -p 1 -run '^$$' -bench . -benchtime 1s ./...

FUZZTIME ?= 10s
fuzz: ## fuzz every decoder and parser for FUZZTIME each
	@for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "== $$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
	  done; done

golden: ## rewrite the golden screens
	$(GO) test ./tui/... -run Golden -update

test-kafka: build ## the log's contract and one whole journey on a real Kafka (needs Java and Maven)
	TAPEDECK_TEST_KAFKA=1 $(GO) test -count=1 -timeout 15m -run 'Kafka|Contract' ./pipeline/kafka/ ./cmd/tapedeck/

crash: ## accounting under kill -9, long form: 200 kills
	TAPEDECK_KILLS=200 TAPEDECK_TEST_CRASH=200 $(GO) test -count=1 -timeout 60m -run 'Kill|Account|Crash' ./store/lake/ ./cmd/tapedeck/

clean: ## remove what was built
	rm -rf bin dist .cache

lambda: ## build dist/alert-lambda-{arm64,amd64}.zip (RULES=file puts it in as rules.yaml)
	@mkdir -p dist
	@for arch in arm64 amd64; do \
	  dir=dist/lambda-$$arch; rm -rf $$dir; mkdir -p $$dir; \
	  CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build -trimpath -buildvcs=false -tags lambda.norpc -ldflags '-s -w -buildid=' -o $$dir/bootstrap ./cmd/alert-lambda || exit 1; \
	  cp $(or $(RULES),examples/lambda/rules.yaml) $$dir/rules.yaml; chmod 644 $$dir/rules.yaml; touch -t 198001010000 $$dir/*; \
	  rm -f dist/alert-lambda-$$arch.zip; (cd $$dir && TZ=UTC zip -qX ../alert-lambda-$$arch.zip bootstrap rules.yaml) || exit 1; rm -rf $$dir; \
	  echo dist/alert-lambda-$$arch.zip; \
	done

test-aws: ## SNS to SQS with filter policies and FIFO, against moto (pip install 'moto[server]')
	TAPEDECK_TEST_AWS=1 $(GO) test -count=1 -v -run AWS ./pipeline/notify/
