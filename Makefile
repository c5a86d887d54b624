# Everything that one does with this project; `make help` lists it.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# make divides what it reads at spaces.
ifneq ($(words $(CURDIR)),1)
$(error the path of this directory has a space in it: move it to one that has none)
endif

MODULE := $(CURDIR)/target/release/ngx_http_jwt_user_scope_module.so
CDYLIB := target/release/libngx_http_jwt_user_scope_module.so
PACKAGE := ngx_http_jwt_user_scope_module
CARGO := cargo
LOCKED := --locked
# Programs with a workspace and a Cargo.lock of their own, beside the module's.
APART := bench tests/soak authz/fuzz

# rustup's default place, where Debian keeps servers, and where scripts/need puts tools: none is in everyone's PATH.
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/local/sbin:/usr/sbin:$(CURDIR)/target/tools/bin

# nginx-sys wants both directories. .cargo/config.toml names target/nginx for whichever is unset, so one alone would
# be paired with a stranger.
ifneq ($(NGINX_BUILD_DIR),)
export NGINX_BUILD_DIR := $(abspath $(NGINX_BUILD_DIR))
export NGINX_SOURCE_DIR := $(abspath $(or $(NGINX_SOURCE_DIR),$(NGINX_BUILD_DIR)/..))
else ifneq ($(NGINX_SOURCE_DIR),)
export NGINX_SOURCE_DIR := $(abspath $(NGINX_SOURCE_DIR))
export NGINX_BUILD_DIR := $(NGINX_SOURCE_DIR)/objs
endif
ifneq ($(NGINX),)
export NGINX
endif
ifneq ($(NGINX_UNPACKED),)
export NGINX_UNPACKED := $(abspath $(NGINX_UNPACKED))
endif

.PHONY: $(shell sed -n 's/^\([a-z0-9-]*\):.*\#\# .*/\1/p' $(MAKEFILE_LIST))

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo 'NGINX_UNPACKED=<nginx source>                build for another nginx: its source, configured as NGINX was'
	@echo 'NGINX_SOURCE_DIR=<configured nginx source>   build for another nginx than Debian'"'"'s'
	@echo 'NGINX=<nginx binary>, or none                compare and test with another nginx; none: build only'
	@echo 'Missing tools are installed with apt-get, through sudo where needed.'

demo: ## Build, start Better Auth, FastAPI and nginx, show real requests and their answers
	@scripts/need build demo
	@$(MAKE) --no-print-directory build
	@NGINX_MODULE=$(MODULE) examples/better-auth-fastapi/demo

test: ## Run every test: unit, e2e, example, agreement, tools, kubernetes and soak-quick
	@scripts/need build test
	@$(MAKE) --no-print-directory unit e2e example agreement tools kubernetes soak-quick

unit: ## Test the core and the command-line program, without nginx
	@scripts/need build
	$(CARGO) test $(LOCKED) -p authz -p directives -p jwt-user-scope

e2e: build ## Test the module in a real nginx
	@scripts/need test
	@scripts/explained clear
	NGINX_MODULE=$(MODULE) $(CARGO) test $(LOCKED) -p $(PACKAGE)
	@scripts/explained

faults: build ## Fail every allocation, panic everywhere, write nonsense into nginx.conf: nobody gets in, and nothing falls over
	@scripts/need memcheck test
	NGINX_MODULE=$(MODULE) scripts/faults

memcheck: build ## Run the end-to-end tests on an nginx under valgrind
	@scripts/need memcheck test
	scripts/memcheck

example: build ## Test the example: Better Auth, FastAPI and the dependency that the module replaces
	@scripts/need test
	NGINX_MODULE=$(MODULE) examples/better-auth-fastapi/test

agreement: build ## Compare the decisions on 3000 tokens with those of PyJWT and jose
	@scripts/need test
	NGINX_MODULE=$(MODULE) TOKENS=3000 scripts/differential

tools: build ## Test the scripts that build and install, and what deploy/ holds
	@scripts/need deploy
	@scripts/test

bench: bench-tools ## Measure CPU per request beside bare nginx, njs and FastAPI; ROUNDS=2 REQUESTS=20000 for a quick look
	@NGINX_MODULE=$(MODULE) bench/run $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(REQUESTS),--requests $(REQUESTS))
	@bench/report show

instructions: build ## Count the instructions of the core's steps and of whole requests; what changed shows in git diff
	@scripts/need instructions
	@NGINX_MODULE=$(MODULE) scripts/instructions

bench-memory: bench-tools ## Watch the worker's memory over ten million requests with ever new tokens (REQUESTS=)
	@NGINX_MODULE=$(MODULE) bench/memory $(if $(REQUESTS),--requests $(REQUESTS))

bench-publish: ## Keep the last results in bench/results, and put their figures and chart into docs/ (AS=slower: of another machine; AS=memory: those of bench-memory alone)
	@bench/report publish $(AS)

bench-tools: build
	@scripts/need bench
	@bench/install
	$(CARGO) build $(LOCKED) --release --manifest-path bench/Cargo.toml --workspace --target-dir target

SOAK := $(CARGO) run $(LOCKED) --quiet --release --manifest-path tests/soak/Cargo.toml --target-dir target --

soak: build ## Check millions of requests amid reloads, killed workers and lost keys (REQUESTS=2000000 SECONDS= SEED=)
	NGINX_MODULE=$(MODULE) REQUESTS=$(REQUESTS) SOAK_SECONDS=$(SECONDS) SEED=$(SEED) $(SOAK)

soak-quick: build ## Test the soak itself, and run it for some seconds
	$(CARGO) test $(LOCKED) --quiet --release --manifest-path tests/soak/Cargo.toml --target-dir target
	NGINX_MODULE=$(MODULE) SOAK_SECONDS=5 $(SOAK)

soak-proof: build ## Show that the soak finds what it looks for: configurations with one fault each
	NGINX_MODULE=$(MODULE) SEED=$(SEED) $(SOAK) prove

matrix: ## Run the end-to-end tests on every nginx: 1.22 to 1.30, packaged and built (ONLY=1.28 for some; needs root)
	@scripts/need build matrix
	@scripts/matrix $(ONLY)

deb: ## Build the Debian package for the nginx of this Debian, into target/deb
	@scripts/need deb
	@scripts/deb

deb-test: deb ## Install, use, upgrade and purge that package in a fresh root of Debian (needs root)
	@scripts/deb-test

image: ## Build the image, with Docker or buildah (ARGS='NGINX_VERSION=1.28.3' for the Dockerfile's arguments)
	@scripts/need image
	@scripts/image $(ARGS)

image-test: ## Build the image on a base of this Debian and have it serve requests (buildah; needs root)
	@scripts/need image_test
	@scripts/image-test

kubernetes: build ## Check the manifest in deploy/kubernetes: its schema, its parts, its nginx.conf
	@scripts/need test
	@scripts/kubernetes

reproducible: deb ## Build the package again elsewhere: module and package must be the same to the byte
	@scripts/reproducible

release: deb ## Gather a release in dist: source, package, module, licences, bill of materials, sums
	@scripts/release

fuzz: ## Fuzz the core, each target for SECONDS=60, with SEED=1
	@scripts/need fuzz
	@scripts/fuzz run $(or $(SECONDS),60)

differential: build ## Compare the decisions on TOKENS=60000 of SEED=1 with those of PyJWT and jose
	@scripts/need test
	NGINX_MODULE=$(MODULE) scripts/differential

build: headers ## Build the module for the nginx on this machine, into target/release
	@scripts/fits headers
	$(CARGO) build $(LOCKED) --release -p $(PACKAGE)
	@cmp -s $(CDYLIB) $(MODULE) || { cp $(CDYLIB) $(MODULE).new && mv -f $(MODULE).new $(MODULE); }
	@scripts/fits module

cli: ## Build the command-line program jwt-user-scope, into target/release
	@scripts/need build
	$(CARGO) build $(LOCKED) --release -p jwt-user-scope

headers: ## Put nginx's configured headers into target/nginx, for plain cargo and for editors
	@scripts/need build
	@scripts/headers

install: ## Install the built module where nginx's packages put modules (honours DESTDIR)
	@scripts/install-module

check: headers ## Check formatting, clippy, documentation, scripts, dependencies, unsafe code; a warning is an error
	@scripts/need check
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path authz/fuzz/Cargo.toml --check
	$(CARGO) clippy $(LOCKED) --workspace --all-targets -- -D warnings
	$(CARGO) clippy $(LOCKED) --workspace --all-targets --features faults -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc $(LOCKED) --workspace --no-deps --document-private-items
	for each in $(APART); do \
	    $(CARGO) fmt --manifest-path $$each/Cargo.toml --all --check; \
	    $(CARGO) clippy $(LOCKED) --manifest-path $$each/Cargo.toml --target-dir target --workspace --all-targets -- -D warnings; \
	done
	shellcheck -x -P SCRIPTDIR $$(grep -LE '^#!.*python' scripts/*) bench/install authz/fuzz/rustc .ci/run
	pyflakes3 $$(git ls-files '*.py') $$(git ls-files bench examples scripts tests | xargs grep -lE '^#!.*python')
	$(CARGO) deny $(LOCKED) check -D warnings licenses bans sources
	@scripts/licences check
	@scripts/unsafe

advisories: ## Compare the dependencies with the RustSec advisory database, which is fetched from GitHub
	@scripts/need advisories
	$(CARGO) deny $(LOCKED) check advisories

coverage: ## Count what the core's tests reach of it; what they do not must be listed, with a reason
	@scripts/need build coverage
	@mkdir -p target/coverage
	$(CARGO) llvm-cov $(LOCKED) -p authz --json --output-path target/coverage/authz.json
	@python3 authz/tests/coverage.py target/coverage/authz.json

mutants: ## Break the core in every place, and expect a test to notice (an hour or two; FILES='path.rs scope.rs' for some)
	@scripts/need build mutants
	@scripts/mutants $(FILES)

clean: ## Remove everything that was built
	$(CARGO) clean
	rm -rf dist
