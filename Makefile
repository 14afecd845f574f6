# tapedeck: `make` lists the targets.
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X main.version=$(VERSION)
LINT     = golangci-lint
LINT_VERSION = v2.5.0
TOOLS    = $(CURDIR)/.cache/bin
export CGO_ENABLED = 1

.DEFAULT_GOAL := help
.PHONY: help build run test check lint examples bench bench-peers fuzz golden test-kafka cluster test-cluster test-cluster-short crash crash-minio clock exact lambda test-trino trino test-aws clean \
	release man soak check-aws check-monitoring vulnerabilities licences

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
	$(TOOLS)/$(LINT) run --allow-parallel-runners ./...

$(TOOLS)/$(LINT):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

examples: build ## run the examples
	@for e in examples/*/run.sh; do echo "== $$e"; bash $$e || exit 1; done

bench: ## benchmarks, each with its ratio
	$(GO) test -p 1 -run '^$$' -bench . -benchtime 1s ./...

PYTHON ?= python3
bench-peers: ## the models' benchmarks, then the real libraries on the same work (PYTHON=one that has them; ml/peers.py says how)
	$(GO) test -p 1 -run '^$$' -bench 'Benchmark(Predict|Train|TrainLarge|FitPeyton)$$' -benchtime 1s ./ml/lstm ./ml/xgboost ./ml/prophet
	$(PYTHON) ml/peers.py

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

clock: ## the pipeline under a machine's clock that jumps by hours (builds the program anew with a clock that can be set)
	TAPEDECK_TEST_CLOCK=1 $(GO) test -count=1 -timeout 30m -v -run TestPipelineSurvivesTheClocksJumps ./cmd/tapedeck/

exact: ## bars and alerts of a run with 20 kills, a second process and rule edits are those of a quiet run, at speed 1 and max, on both kinds of log
	TAPEDECK_TEST_CRASH=20 TAPEDECK_TEST_ROWS=60000 TAPEDECK_TEST_KAFKA=1 $(GO) test -count=1 -timeout 60m -v -run 'TestExact' ./pipeline/

crash-minio: ## the same against a real MinIO that is itself killed (MINIO=path of its binary)
	TAPEDECK_TEST_MINIO=1 $(GO) test -v -count=1 -timeout 60m -run 'MinIO' ./store/lake/

test-trino: ## a real Trino over this very lake (needs Java 24 and Maven)
	TAPEDECK_TEST_TRINO=1 $(GO) test -v -count=1 -timeout 15m -run 'RealTrino' ./cmd/tapedeck/

trino: ## every statement of the dialect's table asked anew on a real Trino, and here (STATEMENTS=file: more, one a line)
	TAPEDECK_TEST_TRINO=1 STATEMENTS="$(if $(STATEMENTS),$(abspath $(STATEMENTS)))" $(GO) test -v -count=1 -timeout 20m -run StatementsOnRealTrino ./store/athena/

test-aws: ## SNS, SQS, Glue, Athena and SageMaker as moto speaks them, and boto3 (needs pip install 'moto[server]' boto3)
	TAPEDECK_TEST_AWS=1 $(GO) test -v -count=1 -timeout 10m -run 'Moto|AWS' ./store/remote/ ./pipeline/notify/ ./ml/sagemaker/

clean: ## remove what was built
	rm -rf bin dist .cache

# ---- operating it ----------------------------------------------------------

check-aws: build ## cfn-lint, moto, shellcheck and the steps of the user-data, as far as that goes here
	bash examples/aws/check.sh $(CURDIR)/.cache/aws

PROMTOOL_VERSION = v0.309.1
$(TOOLS)/promtool: # not by go install: its go.mod has exclude directives
	@mkdir -p $(TOOLS) .cache/promtool
	cd .cache/promtool && rm -f go.mod go.sum && $(GO) mod init promtool && \
	  $(GO) get github.com/prometheus/prometheus/cmd/promtool@$(PROMTOOL_VERSION) && \
	  CGO_ENABLED=0 $(GO) build -o $(TOOLS)/promtool github.com/prometheus/prometheus/cmd/promtool

check-monitoring: $(TOOLS)/promtool ## alert rules and Prometheus's configuration, by promtool
	$(TOOLS)/promtool check config examples/monitoring/prometheus.yaml
	$(TOOLS)/promtool test rules examples/monitoring/alerts_test.yaml

NFPM_VERSION = v2.43.4
$(TOOLS)/nfpm:
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)

release: $(TOOLS)/nfpm ## binaries, deb, rpm, man pages, completions and checksums into dist/
	GO=$(GO) bash examples/packaging/release.sh $(VERSION)

man: build ## man pages into dist/man
	bin/tapedeck man dist/man

GOVULNCHECK_VERSION = v1.1.4
$(TOOLS)/govulncheck:
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)

vulnerabilities: $(TOOLS)/govulncheck ## known vulnerabilities in what is called (asks vuln.go.dev)
	$(TOOLS)/govulncheck ./...

licences: ## compare docs/licences.md with what is linked in
	@GO=$(GO) bash examples/packaging/licences.sh --check

SOAK ?= 30m
soak: ## 1,000 symbols at 1 Hz, screens, faults, for SOAK (30m; SOAK=60s is CI's): nothing grows, nothing is lost
	TAPEDECK_TEST_SOAK=$(SOAK) $(GO) test -count=1 -timeout 0 -v -run '^TestSoak$$' ./cmd/tapedeck/

lambda: ## build dist/alert-lambda-{arm64,amd64}.zip (RULES=file puts it in as rules.yaml)
	@mkdir -p dist
	@for arch in arm64 amd64; do \
	  dir=dist/lambda-$$arch; rm -rf $$dir; mkdir -p $$dir; \
	  CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build -trimpath -buildvcs=false -tags lambda.norpc -ldflags '-s -w -buildid=' -o $$dir/bootstrap ./cmd/alert-lambda || exit 1; \
	  cp $(or $(RULES),examples/lambda/rules.yaml) $$dir/rules.yaml; chmod 644 $$dir/rules.yaml; touch -t 198001010000 $$dir/*; \
	  rm -f dist/alert-lambda-$$arch.zip; (cd $$dir && TZ=UTC zip -qX ../alert-lambda-$$arch.zip bootstrap rules.yaml) || exit 1; rm -rf $$dir; \
	  echo dist/alert-lambda-$$arch.zip; \
	done

cluster: ## three Kafka brokers on this machine, three copies of everything (DO=stop, status, "kill 2", "start 2"; needs Java and Maven)
	@bash examples/cluster/cluster $(or $(DO),start)

test-cluster: ## three brokers killed, restarted and cut off, the pipeline killed, both loads, SASL over TLS: every tick once (needs Java and Maven; half an hour)
	@for t in Gap Answers Settings LosesNothing UnderLoad; do \
	  TAPEDECK_TEST_CLUSTER=1 $(GO) test -v -count=1 -timeout 20m -run "^TestCluster$$t\$$" ./cmd/tapedeck/ || exit 1; \
	done

test-cluster-short: ## the same in under three minutes: a leader and the pipeline killed, a leader cut off
	@if m=$$(bash examples/cluster/cluster check); then \
	  TAPEDECK_TEST_CLUSTER=short $(GO) test -v -count=1 -timeout 8m -run '^TestCluster(Gap|LosesNothing)$$' ./cmd/tapedeck/; \
	else echo "three brokers are not tested here: $$m"; fi
