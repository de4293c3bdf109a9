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
	@echo "Compiling Meshwright: minutes the first time, seconds later"
	@go build -trimpath -ldflags "$(LDFLAGS)" -o bin/meshwright .

# Modules of their own: what they need is not for the product.
NESTED := hack/cluster $(filter-out hack/cluster,$(patsubst %/go.mod,%,$(wildcard hack/*/go.mod)))
WITH_TESTS := $(filter-out hack/lint,$(NESTED))

.PHONY: test
test: assets lint vet test-unit test-nested test-e2e test-demo ## Run all checks and tests, end to end too

.PHONY: test-unit
test-unit: ## Run unit, golden and controller tests (real kube-apiserver, etcd, Envoy)
	go test -timeout 20m ./...

.PHONY: test-nested
test-nested: ## Run the tests of the nested modules (starts nodes)
	@for module in $(WITH_TESTS); do echo "go -C $$module test ./..."; go -C $$module test ./... || exit 1; done

.PHONY: test-e2e
test-e2e: build ## Run end-to-end tests on a node of their own, or on one that is up (CLUSTER=name)
	@$(CLUSTER_CLI) run $(if $(filter file,$(origin CLUSTER)),,--name $(CLUSTER)) -- \
		go -C $(CURDIR) test -count=1 -tags e2e -p 1 -parallel 8 -timeout 20m \
		./internal/test/e2e ./internal/test/e2e/traffic ./internal/test/e2e/...

.PHONY: lint
lint: ## Run the pinned linter on all modules
	@$(CLUSTER_CLI) assets lint
	@linter=$$($(CLUSTER_CLI) program golangci-lint) && for module in . $(NESTED); do \
		echo "lint $$module"; (cd $$module && $$linter run --allow-parallel-runners --config $(CURDIR)/.golangci.yml ./...) || exit 1; done

.PHONY: vet
vet: ## Run go vet on all modules
	@for module in . $(NESTED); do echo "vet $$module"; go -C $$module vet -tags e2e ./... || exit 1; done

.PHONY: bench
bench: build ## Measure what discovery costs (docs/performance.md); BENCH="--services=1000 -o json"
	@go run ./hack/bench $(BENCH)

.PHONY: golden
golden: ## Rewrite the golden files of all tests: look at the diff
	GOLDEN=1 go test ./internal/... ./config/...

CLUSTER_CLI := go -C hack/cluster run .

# The name of the cluster that the targets below are about.
CLUSTER ?= dev

.PHONY: assets
assets: ## Build what is not ours (Kubernetes, etcd, Envoy, containerd, linter) into the user's cache
	@$(CLUSTER_CLI) assets

.PHONY: assets-test
assets-test: ## Build only what controller tests need: kube-apiserver, etcd, Envoy
	@$(CLUSTER_CLI) assets envoy kube

.PHONY: cluster-up
cluster-up: ## Start a one-node Kubernetes (CLUSTER=dev); prints the path of its kubeconfig
	@$(CLUSTER_CLI) up $(CLUSTER)

.PHONY: cluster-down
cluster-down: ## Stop it (CLUSTER=dev) and remove all of it but its logs
	@$(CLUSTER_CLI) down $(CLUSTER)

.PHONY: images
images: ## Build the image of Meshwright, without a container engine, into the user's cache
	@$(CLUSTER_CLI) images

.PHONY: image-load
image-load: ## Build the image and give it to a running cluster (CLUSTER=dev); UPGRADES=1 also those of two versions more
	@$(CLUSTER_CLI) load $(CLUSTER) $(if $(UPGRADES),--upgrades)

CONTROLLER_GEN := go run sigs.k8s.io/controller-tools/cmd/controller-gen@v0.23.0

.PHONY: generate
generate: ## Generate the deep copies of api/
	$(CONTROLLER_GEN) object paths=./api/...

.PHONY: manifests
manifests: ## Generate the CRDs, also for the chart, the operator's rights, and the bundle
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases
	$(CONTROLLER_GEN) rbac:roleName=meshwright-operator paths=./controllers/... output:rbac:dir=config/rbac
	cp config/crd/bases/*.yaml charts/operator/crds/
	go run ./hack/bundle

.PHONY: bundle
bundle: ## Write the bundle for OLM and OperatorHub (BUNDLE_IMAGE=image@digest for a release)
	@go run ./hack/bundle $(if $(BUNDLE_IMAGE),-image $(BUNDLE_IMAGE))

.PHONY: bundle-check
bundle-check: ## Say what in bundle/ is out of date, and what a catalogue would refuse
	@go run ./hack/bundle -check $(if $(BUNDLE_IMAGE),-image $(BUNDLE_IMAGE))

.PHONY: verify
verify: generate manifests ## Fail when generated files are not up to date
	git diff --exit-code -- api config charts bundle

.PHONY: install-manifest
install-manifest: ## Print what installs the operator, as kubectl apply -k config/default does
	@"$$($(CLUSTER_CLI) program kubectl)" kustomize config/default

.PHONY: istio-crds
istio-crds: ## Print Istio's CRDs from the pinned module
	@cat "$$(go list -m -f '{{.Dir}}' istio.io/api)/kubernetes/customresourcedefinitions.gen.yaml"

DEMO_IMAGES := --static demo-app=$(CURDIR)/bin/app --static demo-db=$(CURDIR)/bin/db
WALK = bin/walk -kubectl "$$($(CLUSTER_CLI) program kubectl)" -meshwright bin/meshwright \
	-manifests hack/demo/manifests -operator config/default -istio-crds bin/istio-crds.yaml

.PHONY: demo-programs
demo-programs: build
	@echo "Compiling the demo's programs: its database takes minutes the first time"
	@go -C hack/demo build -trimpath -o ../../bin/ ./...
	@$(MAKE) --no-print-directory -s istio-crds > bin/istio-crds.yaml

.PHONY: demo
demo: demo-programs ## Start a cluster of its own (demo), install the mesh and a small shop, and walk through it
	@$(CLUSTER_CLI) down demo && $(CLUSTER_CLI) up demo && $(CLUSTER_CLI) load demo $(DEMO_IMAGES)
	@$(WALK) -kubeconfig "$$($(CLUSTER_CLI) kubeconfig demo)"

.PHONY: demo-upgrade
demo-upgrade: demo-programs ## The same for updates: a canary from one version to the next, then a broken version that rolls back by itself (WALK_FLAGS="-rate 100 -length 10m")
	@$(CLUSTER_CLI) down demo && $(CLUSTER_CLI) up demo && $(CLUSTER_CLI) load demo --upgrades $(DEMO_IMAGES)
	@$(WALK) -upgrade -kubeconfig "$$($(CLUSTER_CLI) kubeconfig demo)" $(WALK_FLAGS)

.PHONY: test-demo
test-demo: demo-programs ## Run the demo's walk, with a short outage, on a node of its own
	@$(CLUSTER_CLI) run $(DEMO_IMAGES) -- bash -c 'cd $(CURDIR) && $(WALK) -kubeconfig $$KUBECONFIG -outage 15s'

.PHONY: test-upgrade
test-upgrade: demo-programs ## Run the walk through updates under load, on a node of its own
	@$(CLUSTER_CLI) run --upgrades $(DEMO_IMAGES) -- bash -c 'cd $(CURDIR) && $(WALK) -upgrade -kubeconfig $$KUBECONFIG $(WALK_FLAGS)'
