# Every target does its own set-up in .venv* and is safe to repeat.
# PERCH_LOCAL_PORT (default 4566) chooses the local stack; several run side by side.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

PYTHON := .venv/bin/python
FUNCTIONS := $(notdir $(wildcard functions/*))
SAMPLE := examples/news-classifier
DEMOS := $(patsubst examples/%/demo.py,%,$(wildcard examples/*/demo.py))
EXAMPLE := news-classifier
TEMPLATES := template.yaml $(wildcard examples/*/template.yaml examples/*/*/template.yaml)
SUITES := tests local $(patsubst %/tests,%,$(wildcard examples/*/tests))
# For targets that mostly wait: at the same time, and what each says comes when it has ended.
SIDE_BY_SIDE := --no-print-directory --jobs=3 --keep-going --output-sync=target

.PHONY: help setup build demo test up down push-image sam-local lint soak bench judge-report clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## Python environments for the local stack and the SAM CLI; Redis and model servers for tests
	@sh local/setup.sh
	sh local/servers.sh

build: ## Release binaries: the CLI, and one bootstrap per function under target/lambda
	@cargo build --release --locked --workspace
	for f in $(FUNCTIONS) news-classifier; do
	  mkdir -p target/lambda/$$f
	  cmp -s target/release/$$f target/lambda/$$f/bootstrap || install -m 755 target/release/$$f target/lambda/$$f/bootstrap
	done

demo: known-example setup build ## Releases on private local stacks, promoted and rolled back; EXAMPLE=ml-inference or another of examples/
	@$(PYTHON) examples/$(EXAMPLE)/demo.py

.PHONY: known-example
known-example:
	@$(if $(filter $(EXAMPLE),$(DEMOS)),,echo "make demo: EXAMPLE=$(EXAMPLE) is none of: $(DEMOS)" >&2; exit 2)

up: setup build ## Local stack with Perch, the sample service and its model servers, left running
	@$(PYTHON) -m perch_local up
	$(PYTHON) $(SAMPLE)/install.py

down: setup ## End the local stack and remove its state
	@$(PYTHON) -m perch_local down

push-image: setup build ## Push a build of the sample service: VARIANT=healthy|failing|slow|later-failing|unsure
	@. local/env.sh
	$(PYTHON) $(SAMPLE)/push_image.py --variant $(or $(VARIANT),healthy)

lint: setup ## Formatting, lints, templates, Dockerfiles, state machines
	@cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items --quiet
	.venv-sam/bin/cfn-lint $(TEMPLATES)
	.venv-sam/bin/hadolint $(wildcard examples/*/Dockerfile)
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 .venv-sam/bin/sam validate --lint

test: lint build ## Everything: lints, unit, contract and end-to-end tests on private local stacks
	@cargo test --locked --workspace
	$(MAKE) $(SIDE_BY_SIDE) $(SUITES:%=pytest-of-%)

.PHONY: $(SUITES:%=pytest-of-%)
$(SUITES:%=pytest-of-%): pytest-of-%:
	@$(PYTHON) -m pytest -q $(if $(filter tests,$*),--numprocesses=2 --dist=loadfile) $*

soak: ## 20,000 seeds of the simulation, the promises checked after every call; the model check's longest scenario; every row of the judge's benchmark
	@PERCH_SEEDS=20000 cargo test --locked -p perch-tests --test simulation -- --nocapture --exact every_seed_keeps_every_promise
	cargo test --locked -p perch-tests --test model_check -- --ignored --nocapture
	cargo test --locked -p perch-lab --lib -- --ignored

sam-local: setup build ## `sam local invoke` of every function against a local stack (needs Docker)
	@$(PYTHON) -m perch_local.sam_local

judge-report: ## The judge on simulated canaries: tables and plots of docs/judge.md, about 10 minutes on two cores
	@cargo run --locked --config 'profile.dev.opt-level=3' --target-dir target/judge-report -p perch-lab --example judge-report -- docs

bench: setup build ## Alarm to safety, sizes, memory and cold starts, measured on a private local stack
	@$(PYTHON) benches/run.py

bench-reload: setup build ## Releases of models with 1, 3 and 20 replicas under 200 requests a second
	@$(PYTHON) benches/reload.py

DRIVER := alias
DRIVERS := alias codedeploy-lambda codedeploy-ecs ecs

.PHONY: bench-reload chaos burst known-driver
chaos: known-driver setup build ## Releases under faults on a private local stack; DRIVER=codedeploy-ecs or another; SEED=n plays a run again
	@$(PYTHON) tests/chaos/run.py --driver $(DRIVER) $(if $(SEED),--seed $(SEED))

known-driver:
	@$(if $(filter $(DRIVER),$(DRIVERS)),,echo "make chaos: DRIVER=$(DRIVER) is none of: $(DRIVERS)" >&2; exit 2)

burst: setup build ## 1,000 pushes for 1,000 targets on a private local stack: none lost, none doubled
	@$(PYTHON) tests/chaos/burst.py

clean: ## Remove build output and environments
	@rm -rf target .venv .venv-sam .venv-servers .venv-mlserver .local
