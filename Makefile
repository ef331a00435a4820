# What people type. `make` alone lists it.

TARGET := $(or $(CARGO_TARGET_DIR),target)
VAR ?= var
SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help run build test quick fuzz bench fmt deny clean

help: ## This list
	@echo 'Grindvakt. With a Rust toolchain, a C compiler and npm on this machine:'
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

run: build ## Build, fetch the engine and what else is not shipped, start everything, say where to go (Ctrl-C stops all)
	@exec $(TARGET)/release/loadtest run --dir $(VAR)

build: ## Build the programs as they are shipped
	@.ci/need cargo cc perl npm
	@echo 'Building. The first time takes some minutes; cargo shows how far it is.'
	@cargo build --release --locked --workspace --bins

test: ## Everything: format, lints, tests, browser, dashboards, images, the end-to-end check
	@.ci/test

quick: ## Format, lints and the tests of the code
	@.ci/test format lints tests

fuzz: ## Fuzz what reads bytes from outside, SECONDS=60 for each target
	@.ci/fuzz $(SECONDS)

bench: ## Benches of the parts, then what a request costs next to a proxy that records nothing
	@.ci/need cargo cc perl npm
	@cargo build --release --locked --workspace --bins
	@$(TARGET)/release/auditor fetch engine
	@cargo bench --locked --workspace
	@$(TARGET)/release/loadtest bench

fmt: ## Format the code
	@cargo fmt --all

deny: ## Licences and sources of the dependencies
	@.ci/test dependencies

clean: ## Remove what was built and installed here (var/ with keys and data stays)
	cargo clean
	rm -rf loadtest/browser/node_modules loadtest/oidc/node_modules
