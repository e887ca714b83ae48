# The two commands that a newcomer needs are `make demo` and `make test`; each sets up what it needs.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
UV ?= uv
BIN := $(VENV)/bin
PYTHON ?= $(shell deploy/find-python)
KERNEL := $(shell find kernel/src -name '*.rs') kernel/Cargo.toml kernel/Cargo.lock
SITE := src/cyberalarm/central/site/static/cyberalarm.css

# What tests use beside Python, Rust and Node: a browser, PDF readers, a database server, and services to scan on loopback.
PACKAGES := chromium poppler-utils postgresql openssh-client openssh-server nginx-light lighttpd vsftpd redis-server mmdebstrap
# What the appliance is made with, and started in when it is tested.
APPLIANCE := mmdebstrap qemu-utils mtools dosfstools fdisk e2fsprogs
MACHINE := qemu-system-x86 ovmf

.PHONY: help install system demo test lint format bench bench-billion fuzz guides conformance lock clean deb appliance container-context test-appliance

help:  ## Show this list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

$(VENV)/locked: requirements.lock deploy/find-python
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; install it and run make again."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

$(VENV)/built: $(VENV)/locked pyproject.toml $(KERNEL)
	@command -v cargo >/dev/null || { echo "Rust is needed (https://rustup.rs); install it and run make again."; exit 1; }
	PATH="$$PWD/$(BIN):$$PATH" $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(SITE): package-lock.json package.json $(shell find src/cyberalarm/central/site/assets -type f)
	@command -v npm >/dev/null || { echo "Node 20 or newer with npm is needed; install it and run make again."; exit 1; }
	npm ci --silent
	npm run --silent build
	touch $@

install: $(VENV)/built $(SITE)  ## Set up the virtual environment, the kernel and the site's files.

system: ## Install what the tests need from Debian packages, where that is allowed.
	@deploy/system-packages $(PACKAGES)

demo: install  ## The whole system at work on this machine (ONCE=1 ends when done).
	$(BIN)/cyberalarm demo $(if $(ONCE),--once)

# Three processes, also on two cores, and the fuzzers beside them: many tests wait for servers, and leave a core idle.
test: install system  ## All tests.
	mkdir -p .build
	kernel/fuzz/run 2 >.build/fuzz.log 2>&1 & fuzz=$$!; \
	{ (cd kernel && cargo test --quiet --locked) && $(BIN)/pytest -n 3 --dist loadfile $(PYTEST); } || { kill $$fuzz 2>/dev/null; exit 1; }; \
	wait $$fuzz || { cat .build/fuzz.log; exit 1; }; \
	tail -n 1 .build/fuzz.log

MINUTES ?= 5
fuzz:  ## Fuzz every syntax of the kernel (MINUTES=5 each).
	kernel/fuzz/run $$(( $(MINUTES) * 60 ))

privacy: install  ## Ten million lines with planted secrets, and none of them in what leaves (LINES=…).
	$(PYTHON) -m tests.privacy.fuzz $(LINES)

lint: install  ## Style, types, imports, packs.
	@echo 'data = "lint-data"' > $(VENV)/lint.toml
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	CYBERALARM_CENTRAL_CONFIG=$(VENV)/lint.toml $(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cyberalarm formats lint
	cd kernel && cargo fmt --check && cargo clippy --quiet --locked --all-targets -- -D warnings

format: install  ## Put code into the house's form.
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .
	cd kernel && cargo fmt

guides: install  ## Renew docs/devices from the packs.
	rm -rf docs/devices
	$(BIN)/cyberalarm formats guide --folder docs/devices

conformance: install  ## Renew docs/conformance.md from other people's lines, where they are (CYBERALARM_CORPORA).
	$(BIN)/python -m tests.formats.judgements > docs/conformance.md

bench: install  ## Speed and memory, beside peers in the same run; writes docs/benchmarks.md.
	@bench/unpack-peers .build/peers
	$(BIN)/python -m bench

SCALE ?= 1
bench-billion: install  ## A billion events in the event store, and its questions (SCALE=0.02 for 20 million; FOLDER=… keeps them).
	$(BIN)/python bench/billion.py --events $$(awk 'BEGIN { printf "%d", 1e9 * $(SCALE) }') $(if $(FOLDER),--folder $(FOLDER))

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
DEB := dist/cyberalarm-collector_$(VERSION)_amd64.deb

deb: install  ## The collector as a Debian package, into dist/.
	$(BIN)/python deploy/debian/build.py

appliance: deb  ## The collector as a virtual machine's disk: qcow2, OVA, VHDX, into dist/ (as root, or with user namespaces).
	@deploy/system-packages $(APPLIANCE)
	$(BIN)/python deploy/appliance/build.py $(DEB)

container-context: deb  ## What a container engine needs to build the collector's image, into dist/container.
	rm -rf dist/container && mkdir -p dist/container
	cp deploy/container/Containerfile deploy/container/compose.yaml deploy/container/collector.toml $(DEB) dist/container/

test-appliance: install  ## Start the appliance in dist/ for real: set up, syslog in, envelope out (minutes; CYBERALARM_QEMU=kvm where there is KVM).
	@deploy/system-packages $(MACHINE)
	CYBERALARM_APPLIANCE=dist/cyberalarm-collector-$(VERSION).qcow2 $(BIN)/pytest -q -s -p no:xdist tests/deploy/appliance_boot.py

lock:  ## Renew requirements.lock, and the collector's part of it, from pyproject.toml (needs uv).
	$(UV) pip compile --universal --python-version 3.11 --all-extras pyproject.toml --generate-hashes --no-header \
	  --no-annotate --no-emit-index-url --quiet -o requirements.lock
	$(UV) pip compile --universal --python-version 3.11 pyproject.toml --constraints requirements.lock --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --quiet -o deploy/debian/requirements.lock

clean:  ## Remove everything that was built.
	rm -rf $(VENV) node_modules kernel/target demo-data $(SITE) src/cyberalarm/*.so
