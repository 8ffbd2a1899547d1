# A line or few a target; `make` alone prints the menu. NAME is the stack, PORT_BASE moves its ports.
NAME ?= local
PORT_BASE ?=
BIN := .venv/bin
TELEMETRY := $(BIN)/telemetry
STACK := --name $(NAME)$(if $(PORT_BASE), --port-base $(PORT_BASE))
FROM ?=
TO ?=
TENANT ?=
# Set in some environments; with it each of the many processes compiles Pulumi's and AWS's modules again (2 to 3 times the time).
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help environment tools up demo down logs status doctor migrate backfill audit test lint bench compose-up compose-down
help: ## this menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
environment: ## .venv as requirements.lock says
	@infra/local/toolchain/environment.sh
tools: environment ## engine, collector and broker, built once into a cache
	@$(TELEMETRY) tools
up: environment ## deploy the stack NAME (default local); PORT_BASE=14000 moves its ports
	@$(TELEMETRY) up $(STACK)
demo: environment ## up, then a minute of the demo's traffic and what it cost
	@$(TELEMETRY) demo $(STACK)
down: environment ## stop the stack and remove all that it made
	@$(TELEMETRY) down --name $(NAME)
logs: environment ## follow the logs of all parts
	@$(TELEMETRY) logs --name $(NAME)
status: environment ## what runs, and where
	@$(TELEMETRY) status --name $(NAME)
doctor: environment ## what keeps the stack from coming up, or will soon
	@$(TELEMETRY) doctor --name $(NAME)
migrate: environment ## apply pending migrations
	@$(TELEMETRY) migrate --name $(NAME)
backfill: environment ## rebuild rollups: make backfill FROM=... TO=... [TENANT=...]
	@$(TELEMETRY) backfill --name $(NAME) --from "$(FROM)" --to "$(TO)"$(if $(TENANT), --tenant "$(TENANT)")
audit: environment ## compare offsets, rows and rollups
	@$(TELEMETRY) audit --name $(NAME)
compose-up: ## the same parts in Docker (docs/compose.md)
	@infra/compose/compose.sh up
compose-down: ## remove them and their volumes
	@infra/compose/compose.sh down
test: environment tools ## all tests, ruff and pyright
	@$(BIN)/ruff check && $(BIN)/ruff format --check
	@$(BIN)/python -m tests.go_programs
	@# pyright takes a minute of one processor: it runs beside the tests and speaks after them.
	@said=$$(mktemp); $(BIN)/pyright >$$said 2>&1 & types=$$!; \
	$(BIN)/pytest -n 3 tests; tests=$$?; \
	wait $$types; types=$$?; cat $$said; rm $$said; exit $$((tests | types))
lint: environment ## ruff and pyright
	@$(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/pyright
bench: environment ## measure; JSON to the path in BENCH_JSON
	@$(BIN)/python -m tests.bench
