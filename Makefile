# `make run` and `make test` need nothing but Python 3.11 or later; everything else goes into .venv.

# The first that runs, is new enough and can make a virtual environment: some are only on the PATH.
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11 python; do \
  $$each -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
BIN := .venv/bin
SERVE ?=
TESTS ?= tests

.PHONY: run test test-long test-clients test-chatstream test-servers compare-fastsession crash failover fuzz soak long demo-data bench \
  bench-search bench-overload bench-attacks lint lock wheel sbom audit clean help

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: .venv/run ## set everything up and run the service on this machine; SERVE="--port 9000" adds options
	@exec $(BIN)/chatkeep serve --local --migrate $(SERVE)

# More processes than the smallest machine has processors: many tests wait.
test: .venv/test ## set everything up and run the tests; TESTS=tests/chat runs some
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile $(TESTS)

test-long: .venv/test ## run the tests that `make test` leaves out because they take long (five minutes)
	@$(BIN)/python -m pytest -m long $(TESTS)

test-chatstream: .venv-chatstream/ready ## run the tests with a real ChatStream, in an environment of their own (1.5 GB)
	@.venv-chatstream/bin/python -m pytest tests/chatstream/with_chatstream -v

test-clients: .venv/test .venv-clients/ready ## run the tests with real clients of the API, in environments of their own (1 GB)
	@CHATKEEP_TEST_CLIENTS=.venv-clients $(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/clients

test-servers: .venv/test .venv-servers/ready ## run the tests with real model servers, in environments of their own (2.2 GB)
	@CHATKEEP_TEST_SERVERS=.venv-servers $(BIN)/python -m pytest tests/servers -v

compare-fastsession: .venv/test ## send the same requests to the real fastsession and to this library, and show what differs
	@$(BIN)/python tests/sessions/compare_fastsession.py

crash: .venv/test ## kill the service and its PostgreSQL many times, and count what is lost; CRASH="A B" runs some (twenty minutes)
	@$(BIN)/python -m tests.crash $(CRASH)

failover: .venv/test ## kill the primary of a real Patroni ten times and count what is lost (ten minutes); needs Patroni and etcd
	@$(BIN)/python -m tests.crash P

fuzz: .venv/test ## send 10,000 random and broken requests at the service, and more at /v1; FUZZ="--seed 7" sends the same again
	@$(BIN)/python -m tests.fuzz $(FUZZ)
	@CHATKEEP_TEST_EXAMPLES=40 $(BIN)/python -m pytest tests/openai/test_conformance.py

soak: .venv/test ## everything at once for SOAK_SECONDS (600), and a table of what grows
	@$(BIN)/python -m tests.soak $(SOAK)

# Each is run, whatever came of those before it.
LONG ?= test-long crash fuzz soak audit sbom
long: .venv/test ## all that takes long: test-long, crash, fuzz, soak, audit and sbom, one after the other; LONG="fuzz soak" runs some
	@report=; failed=0; for each in $(LONG); do \
	  echo "=== $$each" >&2; began=$$(date +%s); \
	  if $(MAKE) --no-print-directory $$each; then verdict=passed; else verdict="NOT PASSED"; failed=1; fi; \
	  report="$$report$$each: $$verdict, $$(($$(date +%s) - began)) s\n"; \
	done; printf "=== make long\n$$report"; exit $$failed

demo-data: .venv/run ## fill your list in a running service with conversations to look at; DEMO="--username alice" fills another
	@$(BIN)/chatkeep demo-data $(DEMO)

bench: .venv/bench ## measure the service beside its bare dependencies (an hour); BENCH="--messages 200000" is quicker
	@$(BIN)/python -m bench $(BENCH)

bench-search: .venv/test ## measure lists and searches on a million turns; FOLDER=... keeps them for the next run
	@$(BIN)/python -m bench.search_scale --data-dir $(or $(FOLDER),bench-search-data) $(BENCH)

bench-overload: .venv/test ## measure lists, turns and sign-ins at twice the turns that the service can take (two minutes)
	@$(BIN)/python -m bench.overload $(BENCH)

bench-attacks: .venv/test ## measure requests that were made to be dear: processor time, and how long the loop is held
	@$(BIN)/python -m bench.attacks $(BENCH)

lint: .venv/test ## check style, types and import order
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: .venv/test ## update the locked dependencies
	$(BIN)/uv pip compile $(LOCK) --extra embedded pyproject.toml requirements/build.in -o requirements/run.txt
	$(BIN)/uv pip compile $(LOCK) --extra embedded --group dev pyproject.toml requirements/build.in \
	  -c requirements/run.txt -o requirements/dev.txt
	$(BIN)/uv pip compile $(LOCK) --group audit -o requirements/audit.txt
	$(BIN)/uv pip compile $(LOCK) requirements/bench.in -c requirements/dev.txt -o requirements/bench.txt
	$(BIN)/uv pip compile $(LOCK) pyproject.toml requirements/clients/python.in -o requirements/clients/python.txt

LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

# The date in the files is that of the last commit, so that everybody's build of a commit is the same.
wheel: .venv/test ## build dist/chatkeep-*.whl and .tar.gz, the same bytes from the same commit
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 1577836800) $(BIN)/python -m hatchling build

sbom: .venv/test ## write bom.json: what the service runs on, in CycloneDX's format, valid against its schema
	@sed "s/^dynamic = .*/version = \"$$($(BIN)/chatkeep --version | cut -d ' ' -f 2)\"/" pyproject.toml > .venv/sbom.toml
	@$(BIN)/python -W ignore -m cyclonedx_py requirements --pyproject .venv/sbom.toml --output-reproducible --validate \
	  -o bom.json requirements/run.txt

# --strict: a package that could not be looked up is a failure, not a pass.
audit: .venv-audit/ready ## ask the public advisories about what the service runs on; needs the internet
	@.venv-audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements/run.txt > .venv-audit/report 2>&1 \
	  && cat .venv-audit/report || { if grep -q "^Found .* known vulnerabilit" .venv-audit/report; then \
	    cat .venv-audit/report; echo "make audit: a package has a known weakness, see above." >&2; \
	  else echo "make audit: the public advisories cannot be asked about every package from here, so nothing is known:" \
	    "$$(tail -n 1 .venv-audit/report)" >&2; fi; exit 1; }

clean: ## remove what was installed; conversations are kept
	rm -rf .venv .venv-audit .venv-chatstream .venv-clients .venv-servers

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Chatkeep needs Python 3.11 or later with its venv module (on Debian: apt install" \
	  "python3-venv). Another one: make PYTHON=/path/to/python3.12 run" >&2; exit 1; }
	@echo "Making a virtual environment with $$($(PYTHON) --version) ..." >&2
	@$(PYTHON) -m venv .venv

# Each mark is made last: an installation that was broken off is begun again.
.venv/run: requirements/run.txt pyproject.toml | .venv/bin/python
	@echo "Installing the dependencies; this takes a minute the first time ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

.venv/test: requirements/dev.txt .venv/run
	@echo "Installing the test dependencies ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

# Libraries to compare with. Without them, or where they do not install, the others are compared.
.venv/bench: requirements/bench.txt .venv/test
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt && touch $@ \
	  || echo "The libraries to compare with are not installed: they are left out." >&2

.venv-audit/ready: requirements/audit.txt
	@$(PYTHON) -m venv .venv-audit
	@.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/audit.txt
	@touch $@

# ChatStream is under the AGPL and brings PyTorch; neither comes into the service's own environment. What it needs
# and does not say is in the extra. A build of PyTorch without CUDA is enough: TORCH says which.
TORCH ?= torch==2.13.0
CHATSTREAM_PIP := .venv-chatstream/bin/python -m pip install --quiet --disable-pip-version-check

.venv-chatstream/ready: requirements/dev.txt pyproject.toml
	@echo "Installing ChatStream, PyTorch and the test dependencies; this takes some minutes the first time ..." >&2
	@$(PYTHON) -m venv .venv-chatstream
	@$(CHATSTREAM_PIP) --require-hashes -r requirements/dev.txt
	@$(CHATSTREAM_PIP) $(TORCH)
	@$(CHATSTREAM_PIP) --no-build-isolation --editable '.[chatstream]'
	@touch $@

# Clients have one, too: what openai-agents needs does not go with what the service runs on. Node.js comes with them, as
# the newest SDKs want a newer one than most systems have; npm is needed, and their scripts are not run.
.venv-clients/ready: requirements/clients/python.txt requirements/clients/package-lock.json | .venv/test
	@command -v npm >/dev/null || { echo "The clients in JavaScript need npm (on Debian: apt install npm)." >&2; exit 1; }
	@echo "Installing clients in Python and JavaScript; this takes a minute the first time ..." >&2
	@$(PYTHON) -m venv .venv-clients
	@$(BIN)/uv pip install --quiet --python .venv-clients/bin/python --require-hashes -r requirements/clients/python.txt
	@cp requirements/clients/package.json requirements/clients/package-lock.json .venv-clients/
	@npm ci --prefix .venv-clients --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

# Each model server has an environment of its own: what they need is not of one mind with what Chatkeep needs. OGX takes
# Python 3.12 or later, which need not be the one that runs Chatkeep; without, its tests are skipped.
OGX_PYTHON ?= $(shell for each in $(PYTHON) python3.14 python3.13 python3.12; do \
  $$each -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && echo $$each && break; done)
SERVERS_PIP := bin/python -m pip install --quiet --disable-pip-version-check

.venv-servers/ready: requirements/servers/transformers.txt requirements/servers/litellm.txt requirements/servers/ogx.txt
	@echo "Installing three model servers and PyTorch; this takes some minutes the first time ..." >&2
	@$(PYTHON) -m venv .venv-servers/transformers
	@.venv-servers/transformers/$(SERVERS_PIP) $(TORCH)
	@.venv-servers/transformers/$(SERVERS_PIP) -r requirements/servers/transformers.txt
	@$(PYTHON) -m venv .venv-servers/litellm
	@.venv-servers/litellm/$(SERVERS_PIP) -r requirements/servers/litellm.txt
	@test -n "$(OGX_PYTHON)" || echo "OGX needs Python 3.12 or later, so it is left out. Another one: make" \
	  "OGX_PYTHON=/path/to/python3.12 test-servers" >&2
	@test -z "$(OGX_PYTHON)" || { $(OGX_PYTHON) -m venv .venv-servers/ogx \
	  && .venv-servers/ogx/$(SERVERS_PIP) -r requirements/servers/ogx.txt; }
	@touch $@
