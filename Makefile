# `make` lists every task. A target's description is the comment behind its `##`.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test test.processes test.sqlite test.postgres test.pgbouncer test.proxies test.uvloop test.typescript test.e2e test.e2e.pg test.providers \
        test.upgrade test.ha test.deps.up test.deps.down test.session.all test.tox lint format screenshots bench wheel docs release-check clean

VENV := .venv
BIN := $(VENV)/bin
# Servers and commands that tests start would compile everything anew, and so would each worker.
unexport PYTHONDONTWRITEBYTECODE
# Further arguments for pytest: make test ARGS="-k cookie"
ARGS :=
# One worker more than there are cores: outages wait more than they compute. worksteal: they take seconds and most tests
# milliseconds, so a worker that runs out takes from the others.
WORKERS := $$(($$(getconf _NPROCESSORS_ONLN) + 1))
PYTEST := $(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal
# They take a third of the time of all tests: servers start, wait for one another and time out.
PROCESSES := tests/run tests/resilience tests/examples
# A run of their own: Playwright wants one event loop for all tests of a process.
E2E := $(BIN)/pytest tests/e2e --numprocesses 2 --dist worksteal
# Servers of other versions, for tests: make test POSTGRES=14. Empty: the server that the tests find by themselves.
POSTGRES :=
POSTGRES_VERSIONS := tests/postgres
# The identity provider of these tests, for Node.js.
REALM := tests/e2e/realm
# What looks for barriers in pages, for the browser.
AXE := tests/e2e/axe
# Real identity providers, each in an environment of its own: `tests/providers/NAME/requirements.txt` has the versions.
LEMONLDAP := liblemonldap-ng-portal-perl libgd-securityimage-perl libimage-magick-perl libio-string-perl libstring-random-perl
PROVIDERS_NODE := tests/providers/node
PROVIDERS := build/providers/django/installed build/providers/canaille/installed $(PROVIDERS_NODE)/node_modules/installed
NODE_MODULES := $(addsuffix /node_modules/installed,$(REALM) $(AXE) $(PROVIDERS_NODE) $(POSTGRES_VERSIONS))
E2E_MODULES := $(REALM)/node_modules/installed $(AXE)/node_modules/installed
# Version 0.1.0, whose nodes may run beside those of this one.
PREVIOUS := 0e8565ae14ea46f73e706fda1251e8afc2654e4e
PREVIOUS_DIR := build/previous/$(PREVIOUS)
# Compose comes as a plugin of docker or as a program of its own.
COMPOSE = $$(docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose) \
          -f docker-compose-test-deps.yml

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/installed ## install and serve on http://localhost:1135, with a provider that lets anybody sign in
	$(BIN)/python -m bodhi serve --dev

test: $(VENV)/installed-test ## install and run the tests on SQLite and PostgreSQL
	@echo "Left out here: make test.processes; and make test.pgbouncer test.proxies, which need Debian's pgbouncer, nginx\
	 and caddy"
	$(PYTEST) --database both -m "not pgbouncer and not proxies" $(PROCESSES:%=--ignore=%) $(ARGS)

test.processes: $(VENV)/installed-test ## run the tests that start servers, kill them and cut them off
	$(PYTEST) --database both -m "not pgbouncer and not proxies" $(PROCESSES) $(ARGS)

test.sqlite: $(VENV)/installed-test ## run the tests on SQLite only
	$(PYTEST) --database sqlite -m "not pgbouncer and not proxies" $(ARGS)

test.postgres: $(VENV)/installed-test ## run the tests on PostgreSQL only
	$(PYTEST) --database postgres -m "not pgbouncer and not proxies" $(ARGS)

test.uvloop: $(VENV)/installed-test ## run the tests on uvloop instead of asyncio's own event loop
	$(PYTEST) --database both --event-loop uvloop -m "not pgbouncer and not proxies" $(ARGS)

test.pgbouncer: $(VENV)/installed-test ## run the tests that go through PgBouncer
	@PATH="$$PATH:/usr/sbin"; command -v pgbouncer >/dev/null || \
	    { echo "make $@: pgbouncer is not installed: apt-get install pgbouncer" >&2; exit 1; }
	$(PYTEST) --database postgres -m pgbouncer $(ARGS)

test.proxies: $(VENV)/installed-proxies ## run the tests behind the real nginx, Caddy and Traefik
	@PATH="$$PATH:/usr/sbin"; command -v nginx >/dev/null && command -v caddy >/dev/null || \
	    { echo "make $@: nginx or Caddy is not installed: apt-get install nginx-light caddy" >&2; exit 1; }
	$(PYTEST) --database both -m proxies $(ARGS)

test.typescript: $(VENV)/installed ## compile the settings as exported for TypeScript (needs Node.js)
	@command -v npm >/dev/null || { echo "make $@: npm is not installed: apt-get install npm" >&2; exit 1; }
	npm ci --prefix tests/typescript --no-fund --no-audit --silent
	mkdir -p build/typescript
	$(BIN)/python -m bodhi config export --format ts >build/typescript/settings.ts
	tests/typescript/node_modules/.bin/tsc --project tests/typescript
	@echo "build/typescript/settings.ts compiles"

test.e2e: e2e-needs $(VENV)/installed-e2e $(E2E_MODULES) ## be people with browsers, with sessions in SQLite
	$(E2E) --database sqlite $(ARGS)

test.e2e.pg: e2e-needs $(VENV)/installed-e2e $(E2E_MODULES) ## the same with sessions in PostgreSQL
	$(E2E) --database postgres $(ARGS)

test.providers: e2e-needs providers-needs $(VENV)/installed-e2e $(PROVIDERS) ## sign people in through real providers, in a browser
	$(BIN)/pytest tests/providers --numprocesses 2 --dist loadgroup --database both $(ARGS)

test.upgrade: $(VENV)/installed-test $(PREVIOUS_DIR)/installed ## replace nodes of 0.1.0 one by one while requests go on
	PYTHONPATH=tests $(BIN)/python -m rolling_upgrade --old $(PREVIOUS_DIR) $(ARGS)

test.ha: $(VENV)/installed-test ## let PostgreSQL under Patroni fail over while requests go on
	PYTHONPATH=tests $(BIN)/python -m high_availability $(ARGS)

test.deps.up: ## start the PostgreSQL of docker-compose-test-deps.yml, on port 54320
	@docker info >/dev/null 2>&1 && $(COMPOSE) version >/dev/null 2>&1 || { echo "make $@: this needs Docker\
	 with Compose, installed and running. The tests do not: without it, make test starts a PostgreSQL of its own." >&2; exit 1; }
	@$(COMPOSE) up --detach --wait

test.deps.down: ## stop it and drop its data
	@docker info >/dev/null 2>&1 && $(COMPOSE) version >/dev/null 2>&1 || \
	    { echo "make $@: Docker with Compose is not running, so there is nothing to stop" >&2; exit 1; }
	@$(COMPOSE) down --volumes

test.session.all: $(VENV)/installed-test ## run the session tests on both databases, with the Compose PostgreSQL if Docker runs
	@if docker info >/dev/null 2>&1 && $(COMPOSE) version >/dev/null 2>&1; then \
	    $(MAKE) --no-print-directory test.deps.up || exit 1; \
	    trap '$(MAKE) --no-print-directory test.deps.down' EXIT; trap 'exit 130' INT TERM; \
	else \
	    echo "make $@: Docker with Compose is not running: the tests start a PostgreSQL of their own"; \
	fi; \
	$(PYTEST) --database both -m "not pgbouncer and not proxies" tests/session $(ARGS)

test.tox: $(VENV)/installed-tox ## run the tests in the environments of tox: ARGS="-e sqlite -- tests/session"
	$(BIN)/tox run $(ARGS)

lint: $(VENV)/installed-lint ## check style, types and the direction of imports
	@status=0; for check in "ruff check" "ruff format --check" mypy lint-imports; do \
	    echo "$(BIN)/$$check"; $(BIN)/$$check || status=1; \
	done; exit $$status

format: $(VENV)/installed-lint ## bring the code into the style
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

screenshots: chromium-needs $(VENV)/installed-e2e ## take the pictures of docs/images anew
	cd docs && $(abspath $(BIN))/python -m screenshots

bench: $(VENV)/installed-bench ## measure against Redis, PostgreSQL and SQLite, where installed; writes bench/results/
	$(BIN)/python -m bench $(ARGS)

wheel: $(VENV)/installed ## build the wheel into dist/
	rm -rf build/lib # modules that are gone would come back from it
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .
	@echo "built $$(ls -t dist/bodhi_sessions-*.whl | head -n 1)"

docs: $(VENV)/installed-docs ## build the documentation site into build/docs
	$(BIN)/sphinx-build --builder html --fail-on-warning --keep-going --fresh-env --quiet docs build/docs
	@echo "built build/docs/index.html"

release-check: $(VENV)/installed-release ## build wheel and sdist, and try each in an empty environment
	PYTHONPATH=tests $(BIN)/python tests/packaging/release_check.py

clean: ## remove what was built, installed and cached
	rm -rf $(VENV) .tox build dist bodhi.egg-info bodhi_sessions.egg-info tests/typescript/node_modules $(dir $(NODE_MODULES)) \
	    htmlcov .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The newest Python that works: a name on PATH may be a version manager's shim for a version that is not chosen.
$(BIN)/python:
	@for python in $(PYTHON) python3.14 python3.13 python3.12 python3.11 python3; do \
	    "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    echo "$$python -m venv $(VENV)"; exec "$$python" -m venv --clear $(VENV); \
	done; \
	echo "bodhi needs Python 3.11 or later with its venv module, and found it under none of the names python3.14,\
	 python3.13, python3.12, python3.11 and python3. Debian: apt-get install python3-venv. Elsewhere: make PYTHON=/path/to/python" >&2; exit 1

# Installed again whenever the requirements change.
$(VENV)/installed: $(BIN)/python setup.cfg pyproject.toml
	$(BIN)/pip install --quiet --editable .
	@touch $@

ifneq ($(POSTGRES),)
export BODHI_TEST_PG_BINARIES := $(abspath $(POSTGRES_VERSIONS)/node_modules/postgres-$(POSTGRES)/native/bin)
$(VENV)/installed-test: | $(POSTGRES_VERSIONS)/node_modules/installed
endif

# What these tests need and no package brings along.
.PHONY: e2e-needs chromium-needs
e2e-needs: chromium-needs
	@node -e 'process.exit(+(parseInt(process.versions.node) < 20))' 2>/dev/null && command -v npm >/dev/null || \
	    { echo "make: Node.js 20 or later with npm is not installed: apt-get install nodejs npm" >&2; exit 1; }

chromium-needs:
	@command -v "$${BODHI_TEST_CHROMIUM:-chromium}" >/dev/null || \
	    { echo "make: Chromium is not installed: apt-get install chromium" >&2; exit 1; }

$(VENV)/installed-e2e $(VENV)/installed-proxies: $(VENV)/installed-test

$(NODE_MODULES): %/node_modules/installed: %/package.json %/package-lock.json
	npm ci --prefix $* --no-fund --no-audit --silent
	@touch $@

.PHONY: providers-needs
providers-needs:
	@perl -MLemonldap::NG::Portal::Issuer::OpenIDConnect -MLemonldap::NG::Portal::Captcha::SecurityImage -e 1 2>/dev/null || \
	    { echo "make: LemonLDAP::NG is not installed: apt-get install $(LEMONLDAP)" >&2; exit 1; }

build/providers/%/installed: tests/providers/%/requirements.txt | $(BIN)/python
	$(BIN)/python -m venv --clear build/providers/$*
	build/providers/$*/bin/pip install --quiet --requirement $<
	@touch $@

.PHONY: upgrade-needs
upgrade-needs:
	@git cat-file -e '$(PREVIOUS)^{commit}' 2>/dev/null || { echo "make: the version before, $(PREVIOUS), is not in the\
	 history of this clone: git fetch --unshallow. With a checkout of it that has bodhi in its .venv:\
	 PYTHONPATH=tests $(BIN)/python -m rolling_upgrade --old PATH" >&2; exit 1; }

$(PREVIOUS_DIR)/installed: | upgrade-needs $(BIN)/python
	rm -rf $(PREVIOUS_DIR)
	mkdir -p $(PREVIOUS_DIR)
	git archive $(PREVIOUS) | tar -x -C $(PREVIOUS_DIR)
	$(BIN)/python -m venv $(PREVIOUS_DIR)/.venv
	$(PREVIOUS_DIR)/.venv/bin/pip install --quiet --editable $(PREVIOUS_DIR)
	@touch $@

# The types of what the tests use are checked as well.
$(VENV)/installed-lint: $(VENV)/installed-test

$(VENV)/installed-%: $(BIN)/python setup.cfg pyproject.toml
	$(BIN)/pip install --quiet --editable '.[$*]'
	@touch $@
