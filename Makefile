# The commands of the README. `make help` lists them.
MAKEFLAGS += --no-print-directory
PYTHON ?= $(shell command -v python3.11 || command -v python3)
NEEDS_PYTHON = $(if $(PYTHON),,$(error Python is not installed. Fix it with: sudo apt-get install python3 python3-venv))
PY := .venv/bin/python
RUNTIME := .venv/.installed-requirements.txt
DEV := .venv/.installed-requirements-dev.txt
# The benchmark's peer is no part of the product, so it has packages of its own.
PEER_VENV := benchmarks/peer_fastapi/.venv
PEER_FLAGS := -q --no-deps --require-hashes -r benchmarks/peer_fastapi/requirements.txt
# The voice worker's packages and the control plane's cannot be installed together.
WORKER_VENV := .venv-worker
WORKER_PY := $(WORKER_VENV)/bin/python
WORKER := $(WORKER_VENV)/.installed-requirements-worker-local.txt
# The Python kit is a package of its own: with its own packages it knows nothing of ours.
KIT_VENV := kits/python/.venv
KIT_PY := $(KIT_VENV)/bin/python
KIT := $(KIT_VENV)/.installed-requirements.txt
PEER := $(PEER_VENV)/.installed-requirements.txt
# What builds the documentation site runs nowhere else.
DOCS_VENV := .venv-docs
DOCS := $(DOCS_VENV)/.installed-requirements-docs.txt

.DEFAULT_GOAL := help
.PHONY: help run serve test check check-format check-lint check-types check-imports check-migrations check-deploy check-openapi drill drill-all soak bench-import bench-results bench-dial bench-pace bench-admin bench-api bench-intake bench-run docs lock sbom talk worker rehearse test-worker bench-voice

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

# A laptop needs no settings: DEBUG is 1, unless the environment or .env sets it.
run serve drill drill-all soak bench-import bench-results bench-dial bench-pace bench-admin bench-api bench-intake bench-run docs: export DEBUG := $(or $(DEBUG),$(shell sed -n 's/^DEBUG=//p' .env 2>/dev/null | tail -n 1),1)

run: $(RUNTIME) ## install, call a sample list through the sandbox, serve [FILE= COUNTRY= ONCE=1 PORT=]
	@exec $(PY) manage.py demo $(if $(FILE),"$$FILE") $(if $(COUNTRY),--country "$$COUNTRY") $(if $(filter-out 0 no false,$(ONCE)),--once)

serve: $(RUNTIME) ## install, and run sandbox, web server and worker [PORT= NO_AGENT=1]
	@exec $(PY) manage.py serve $(if $(filter-out 0 no false,$(NO_AGENT)),--no-agent)

# Most tests wait for something, so there are two processes for each core. Drills measure time, so
# they run without other tests, and also when those have failed.
DRILLS = $(shell grep -rl --include='test_*.py' 'mark\.drill' tests)

test: $(DEV) ## run all tests; with ARGS, those that it selects, without drills [ARGS="-k word"]
	@status=0; $(PY) -m pytest -n $$(($$(nproc) * 2)) --dist worksteal -m "not drill" $(ARGS) || status=$$?; \
		$(if $(ARGS),,$(PY) -m pytest -n 3 -m drill $(DRILLS) || status=$$?;) exit $$status

# `make --keep-going check` runs every check even when one has failed.
check: check-format check-lint check-types check-imports check-migrations check-deploy test ## check format, lint, types, imports, migrations, deploy settings, and run all tests

check-openapi: $(RUNTIME) ## lint the OpenAPI document, and compile a TypeScript client made from it (needs npm)
	tests/openapi/check.sh

check-format: $(DEV)
	$(PY) -m ruff format --check .

check-lint: $(DEV)
	$(PY) -m ruff check .

check-types: $(DEV)
	$(PY) -m mypy .

check-imports: $(DEV)
	.venv/bin/lint-imports

check-migrations: $(DEV)
	DEBUG=1 $(PY) manage.py makemigrations --check --dry-run

check-deploy: $(DEV)
	env $$($(PY) ops/new_secrets.py) DEBUG=0 ALLOWED_HOSTS=voiceops.example.com PUBLIC_URL=https://voiceops.example.com \
		$(PY) manage.py check --deploy --fail-level WARNING

talk: $(WORKER) ## install the voice worker, and talk with the demo agent in the browser [AGENT= MICROPHONE= SPEAKER= PORT=]
	@exec $(WORKER_PY) -m voice talk $(if $(AGENT),--agent "$(AGENT)") $(if $(MICROPHONE),--microphone "$(MICROPHONE)") \
		$(if $(SPEAKER),--speaker "$(SPEAKER)") $(if $(PORT),--port "$(PORT)")

worker: $(WORKER) ## install the voice worker, say what it can speak with, and serve calls
	@exec $(WORKER_PY) -m voice start

bench-voice: $(WORKER) ## measure conversations of the voice worker on this machine
	@exec $(WORKER_PY) -m voice bench

rehearse: $(WORKER) ## let scripts talk to an agent, and check what it says and does [FILE= MODE=audio]
	@exec $(WORKER_PY) -m voice rehearse $(FILE) $(if $(MODE),--mode "$(MODE)") $(ARGS)

WORKER_TESTS = $(WORKER_PY) -m pytest -c voice/pytest.ini --rootdir .
# Spoken conversations mostly wait, as others do for a minute, so that they go on beside all other tests.
define TEST_WORKER
@spoken=$$(mktemp); waiting=$$(mktemp); trap 'rm -f "$$spoken" "$$waiting"' EXIT; \
	$(WORKER_TESTS) voice/tests -m spoken >"$$spoken" 2>&1 & speaking=$$!; \
	$(WORKER_TESTS) voice/tests -m waiting >"$$waiting" 2>&1 & being_away=$$!; \
	$(WORKER_TESTS) voice/tests -m "not spoken and not waiting"; status=$$?; \
	wait $$speaking || status=$$?; wait $$being_away || status=$$?; cat "$$spoken" "$$waiting"; exit $$status
endef

test-worker: $(WORKER) ## check the types of the voice worker, and run its tests [ARGS="-k word"]
	$(WORKER_PY) -m mypy --config-file voice/mypy.ini voice
	$(if $(ARGS),$(WORKER_TESTS) $(ARGS),$(TEST_WORKER))
	$(if $(ARGS),,$(if $(wildcard $(PY)),$(PY) -m pytest tests/agents/test_real_rehearsals.py))

.PHONY: kit kit-typescript test-kits postman
kit: $(RUNTIME) $(KIT) ## generate the Python kit from the API, and build its wheel into kits/python/dist
	@DEBUG=1 $(PY) manage.py spectacular --format openapi-json --file kits/python/openapi.json
	@$(KIT_PY) kits/python/generate.py kits/python/openapi.json
	@cd kits/python && rm -rf dist && .venv/bin/hatchling build -t wheel

kit-typescript: $(RUNTIME) ## generate the TypeScript kit from the API, and pack it into var/ (needs npm)
	@kits/typescript/build.sh
	@mkdir -p var && echo "var/$$(npm pack --silent --pack-destination var ./kits/typescript)"

test-kits: kit ## check the Python and the TypeScript kit: types, tests, and the whole job on the sandbox (needs npm) [ARGS="-k word"]
	cd kits/python && .venv/bin/python -m mypy && .venv/bin/python -m pytest $(ARGS)
	kits/typescript/check.sh

postman: $(RUNTIME) ## write the API as a Postman collection into var/ (needs npm)
	@kits/postman/generate.sh var/voiceops.postman_collection.json

drill: $(DEV) ## kill processes during a batch, and check that nobody was called twice or lost [SEED= FAULT=]
	@$(PY) manage.py drill $(if $(SEED),--seed "$(SEED)") $(if $(FAULT),--fault "$(FAULT)") $(ARGS)

drill-all: $(DEV) ## drill every fault of the matrix, and three seeds, side by side
	@$(PY) manage.py drill --all $(ARGS)

soak: $(DEV) ## let a hostile workspace attack for ten minutes, and judge what its calm neighbour felt [MINUTES= TRIES=]
	@$(PY) manage.py soak $(if $(MINUTES),--minutes "$(MINUTES)") $(if $(TRIES),--tries "$(TRIES)") $(ARGS)

bench-import: $(DEV) ## measure the import of a million rows, against a bare COPY
	@$(PY) manage.py bench_import $(ARGS)

bench-results: $(DEV) ## measure the export of a million results, as CSV and XLSX
	@$(PY) manage.py bench_results $(ARGS)

bench-dial: $(DEV) ## measure calls per second, against a loop that only sends the requests
	@$(PY) manage.py bench_dial $(ARGS)

bench-pace: $(DEV) ## measure how exactly limits are kept, and how long small lists wait beside a large one
	@$(PY) manage.py bench_pace $(ARGS)

bench-admin: $(DEV) ## open every page of the admin and the console over a million calls, and read the plans of its queries [ROWS=]
	@$(PY) manage.py bench_admin $(if $(ROWS),--rows "$(ROWS)") $(ARGS)

bench-intake: $(DEV) $(PEER) ## measure how many events of LiveKit and agents are taken in, beside a FastAPI program [CALLS= ROUNDS=]
	@$(PY) manage.py bench_intake $(if $(CALLS),--calls "$(CALLS)") $(if $(ROUNDS),--rounds "$(ROUNDS)") $(ARGS)

bench-run: $(DEV) ## measure the calls per second of the whole installation, and the CPU of each part [CALLS= ARGS=--sqlite]
	@$(PY) manage.py bench_run $(if $(CALLS),--calls "$(CALLS)") $(ARGS)

bench-api: $(DEV) $(PEER) ## measure the API beside a FastAPI program on the same rows [ROWS= ROUNDS=]
	@$(PY) manage.py bench_api $(if $(ROWS),--rows "$(ROWS)") $(if $(ROUNDS),--rounds "$(ROUNDS)") $(ARGS)

docs: $(DEV) $(DOCS) ## write what the code says into docs/, and build the site into var/site; warnings are errors
	@$(PY) manage.py document_transitions
	@$(PY) manage.py document_number_zones
	@$(PY) manage.py document_errors
	@$(PY) manage.py document_reference
	@NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --quiet
	@echo "The site begins at var/site/index.html"

.PHONY: shots
shots: $(DEV) ## take the pictures of the documentation, with Chromium [SHOTS_FOLDER=: every page, into that folder]
	@$(PY) -m pytest tests/browser/shots.py

.PHONY: messages
messages: $(DEV) ## bring the console's catalogues up to date with its pages, and compile them
	@$(PY) -m tests.console.catalogues

lock: $(DEV) ## compile requirements*.in into requirements*.txt, with hashes
	@for name in requirements requirements-dev requirements-docs requirements-worker requirements-worker-local requirements-worker-whisper benchmarks/peer_fastapi/requirements kits/python/requirements; do .venv/bin/uv pip compile --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links -q $$name.in -o $$name.txt || exit 1; done

# The lock lists packages without a tree, so the tool warns that the dependency graph is incomplete.
sbom: $(DEV) ## list the components of a release, as CycloneDX on standard output
	@$(PY) -W ignore::UserWarning -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible requirements.txt

$(RUNTIME): requirements.txt
	@$(NEEDS_PYTHON)
	@$(PYTHON) ops/bootstrap.py $<
	@touch $@

$(WORKER): requirements-worker-local.txt
	@$(NEEDS_PYTHON)
	@$(PYTHON) ops/bootstrap.py $< $(WORKER_VENV)
	@touch $@

$(DOCS): requirements-docs.txt
	@$(NEEDS_PYTHON)
	@$(PYTHON) ops/bootstrap.py $< $(DOCS_VENV)
	@touch $@

# The script `voiceops` and the package are those of the working tree.
$(KIT): kits/python/requirements.txt
	@$(NEEDS_PYTHON)
	@$(PYTHON) ops/bootstrap.py $< $(KIT_VENV)
	@$(KIT_PY) -m pip install --quiet --no-deps --no-build-isolation -e kits/python
	@touch $@

$(PEER): benchmarks/peer_fastapi/requirements.txt | $(DEV)
	@$(PYTHON) -m venv --clear --without-pip $(PEER_VENV)
	@.venv/bin/uv pip install $(PEER_FLAGS) --python $(PEER_VENV)/bin/python 2>/dev/null || \
		$(PY) -m pip --python $(PEER_VENV)/bin/python install $(PEER_FLAGS)
	@touch $@

$(DEV): requirements-dev.txt
	@$(NEEDS_PYTHON)
	@$(PYTHON) ops/bootstrap.py $<
	@touch $@ $(RUNTIME)
