# Meshwright. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CGO_ENABLED ?= 0
export CGO_ENABLED

VERSION ?= v0.1.0
LDFLAGS := -s -w -X github.com/meshwright/meshwright/internal/version.version=$(VERSION)

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-zA-Z0-9_-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/meshwright
	go build -trimpath -ldflags "$(LDFLAGS)" -o bin/meshwright .

.PHONY: test
test: ## Run all tests
	go test ./...

.PHONY: golden
golden: ## Rewrite the golden files of all tests: look at the diff
	GOLDEN=1 go test ./internal/...

CLUSTER_CLI := go -C hack/cluster run .

.PHONY: assets
assets: ## Build what is not ours (Kubernetes, etcd, Envoy, containerd, linter) into the user's cache
	@$(CLUSTER_CLI) assets

.PHONY: assets-test
assets-test: ## Build only what controller tests need: kube-apiserver, etcd, Envoy
	@$(CLUSTER_CLI) assets envoy kube
