# The commands of the README. `make help` lists them.
MAKEFLAGS += --no-print-directory
PYTHON ?= $(shell command -v python3.11 || command -v python3)
NEEDS_PYTHON = $(if $(PYTHON),,$(error There is no Python here. Mend it with: sudo apt-get install python3 python3-venv))
PY := .venv/bin/python
RUNTIME := .venv/.installed-requirements.txt
DEV := .venv/.installed-requirements-dev.txt

.DEFAULT_GOAL := help
.PHONY: help run serve test check drill drill-all bench-import bench-results bench-dial bench-pace bench-api docs lock sbom

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

# A laptop needs no settings: DEBUG=1, unless the environment or .env says otherwise.
run serve drill drill-all bench-import bench-results bench-dial bench-pace bench-api docs: export DEBUG := $(or $(DEBUG),$(shell sed -n 's/^DEBUG=//p' .env 2>/dev/null | tail -n 1),1)

run: $(RUNTIME) ## set up, call a sample list through the sandbox, serve [FILE= COUNTRY= ONCE=1 PORT=]
	@exec $(PY) manage.py demo $(if $(FILE),"$$FILE") $(if $(COUNTRY),--country "$$COUNTRY") $(if $(filter-out 0 no false,$(ONCE)),--once)

serve: $(RUNTIME) ## set up and serve: sandbox, web server, worker [PORT=]
	@exec $(PY) manage.py serve

# Most tests wait for something: two processes a core. Drills measure time, and run alone, one after the other.
test: $(DEV) ## all tests; or those that ARGS choose, without the drills [ARGS="-k word"]
	@$(PY) -m pytest -n $$(($$(nproc) * 2)) --dist worksteal -m "not drill" $(ARGS)
	$(if $(ARGS),,@$(PY) -m pytest -m drill)

check: $(DEV) ## format, lint, types, imports, migrations, deploy settings, tests
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy .
	.venv/bin/lint-imports
	DEBUG=1 $(PY) manage.py makemigrations --check --dry-run
	env $$($(PY) ops/new_secrets.py) DEBUG=0 ALLOWED_HOSTS=voiceops.example.com PUBLIC_URL=https://voiceops.example.com \
		$(PY) manage.py check --deploy --fail-level WARNING
	@$(MAKE) test

drill: $(DEV) ## kill processes in the middle of a batch, and count who was called [SEED= FAULT=]
	@$(PY) manage.py drill $(if $(SEED),--seed "$(SEED)") $(if $(FAULT),--fault "$(FAULT)") $(ARGS)

drill-all: $(DEV) ## every fault of the matrix once, and three seeds, side by side
	@$(PY) manage.py drill --all $(ARGS)

bench-import: $(DEV) ## a million rows, against a bare COPY
	@$(PY) manage.py bench_import $(ARGS)

bench-results: $(DEV) ## the results of a million people, as CSV and XLSX
	@$(PY) manage.py bench_results $(ARGS)

bench-dial: $(DEV) ## calls a second, against a bare loop
	@$(PY) manage.py bench_dial $(ARGS)

bench-pace: $(DEV) ## limits kept, and a small list beside a million people
	@$(PY) manage.py bench_pace $(ARGS)

bench-api: $(DEV) ## lists, against the bare query
	@$(PY) manage.py bench_api $(ARGS)

docs: $(DEV) ## write the state machines into docs/architecture.md
	@$(PY) manage.py document_transitions

lock: $(DEV) ## compile requirements*.in into requirements*.txt, with hashes
	@for name in requirements requirements-dev; do .venv/bin/uv pip compile --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links -q $$name.in -o $$name.txt || exit 1; done

# The lock lists packages without a tree, so the tool warns that the dependency graph is incomplete.
sbom: $(DEV) ## list the components of a release, as CycloneDX on standard output
	@$(PY) -W ignore::UserWarning -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible requirements.txt

$(RUNTIME): requirements.txt
	@$(NEEDS_PYTHON)
	@$(PYTHON) ops/bootstrap.py $<
	@touch $@

$(DEV): requirements-dev.txt
	@$(NEEDS_PYTHON)
	@$(PYTHON) ops/bootstrap.py $<
	@touch $@ $(RUNTIME)
