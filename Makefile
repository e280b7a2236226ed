.DEFAULT_GOAL := help
SHELL := /bin/bash
PY := .venv/bin/python
ROOMS := proto models tasks web dev bench chaos migrations
PROTOS := proto/im.proto proto/views.proto
PROTOC := $(PY) -m grpc_tools.protoc -I.
GENERATED := $(foreach p,$(PROTOS:.proto=),$(p)_pb2.py $(p)_pb2.pyi)
CLIENT := client/python/im_client
JS := client/js
PROTOC_ES := $(PY) -m grpc_tools.protoc -Iproto --es_opt=target=ts,import_extension=js \
	--plugin=protoc-gen-es=$(JS)/node_modules/.bin/protoc-gen-es proto/im.proto

.PHONY: help run test lint fmt proto docs page bench bench-peer chaos setup clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

run: ## start everything; Ctrl-C stops it, data stays in var/
	@dev/setup.sh run
	@$(PY) -m dev.run

test: setup ## run every test; ARGS="tests/unit -k frame" narrows it, "-n 0" runs one at a time
	@$(PY) -m pytest -n 2 --dist loadfile --cov --cov-report=term:skip-covered $(ARGS)

lint: ## style, types, imports between rooms, freshness of generated code
	@dev/setup.sh lint
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy --strict $(ROOMS) $(CLIENT) client/python/conformance
	@$(PY) -m mypy tests
	@PYTHONPATH=client/python .venv/bin/lint-imports
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
	$(PROTOC) --python_out=$$fresh --pyi_out=$$fresh $(PROTOS) && \
	for file in $(GENERATED); do \
		cmp -s $$file $$fresh/$$file || { echo "$$file is stale: run make proto"; exit 1; }; \
	done && \
	for file in im_pb2.py im_pb2.pyi; do \
		cmp -s $(CLIENT)/_proto/$$file $$fresh/proto/$$file || \
		{ echo "$(CLIENT)/_proto/$$file is stale: run make proto"; exit 1; }; \
	done && \
	$(PROTOC_ES) --es_out=$$fresh && \
	{ cmp -s $(JS)/src/gen/im_pb.ts $$fresh/im_pb.ts || \
		{ echo "$(JS)/src/gen is stale: run make proto"; exit 1; }; } && \
	npm --prefix $(JS) run --silent check && \
	node $(JS)/scripts/page.mjs $$fresh/static && \
	{ diff -rq web/static $$fresh/static || { echo "web/static is stale: run make page"; exit 1; }; }
	@$(PY) -m dev.docs --check

fmt: ## put the code into the house format
	@dev/setup.sh python
	@$(PY) -m ruff check --fix-only --quiet .
	@$(PY) -m ruff format .

proto: ## generate the Python and TypeScript code of proto/*.proto
	@dev/setup.sh lint
	@$(PROTOC) --python_out=. --pyi_out=. $(PROTOS)
	@cp proto/im_pb2.py proto/im_pb2.pyi $(CLIENT)/_proto/
	@$(PROTOC_ES) --es_out=$(JS)/src/gen

docs: ## generate docs/openapi.json and the tables of docs/protocol.md
	@dev/setup.sh python
	@$(PY) -m dev.docs

page: ## build the chat page, client/page, into web/static
	@dev/setup.sh lint
	@node $(JS)/scripts/page.mjs

bench: setup ## measure; SCENARIOS="name ..." narrows it
	@$(PY) -m bench $(SCENARIOS)

bench-peer: ## measure beside ejabberd, 35 minutes; WORKLOADS="name ..." narrows it
	@dev/setup.sh peer
	@$(PY) -m bench.peer $(WORKLOADS)

chaos: setup ## break a platform and check every promise; DURATION_S=, SEED=
	@$(PY) -m chaos

setup: ## install what is missing on this machine and in .venv
	@dev/setup.sh

clean: ## remove .venv, node_modules and caches; data in var/ stays
	@rm -rf .venv .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache
	@rm -rf .import_linter_cache .hypothesis $(JS)/node_modules $(JS)/dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
