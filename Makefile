# `make run` and `make test` set up what they need; `make` alone lists everything.
.DEFAULT_GOAL := help
SHELL := bash
PYTHON ?= python3
BIN := .venv/bin
NEXTPLAY_HOME ?= $(CURDIR)/var
SOURCE ?=

export NEXTPLAY_HOME
export BENTOML_DO_NOT_TRACK := True
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1
export PYTHONDONTWRITEBYTECODE :=
ifneq ($(SOURCE),)
export NEXTPLAY_SOURCE := $(SOURCE)
endif

.PHONY: help setup run test test-all test-scale lint ui reports serve demo mlflow status promote rollback forget holds erase reproduce as-served bench-as-served bench-tomorrow simulate bench-etl bench-etl-scale bench-scale bench-soak bench-swaps bench-gate bench-real-size pictures bench-leaderboards clean tune bench-training bench-quality study-bert4rec study-generative prune backup restore test-faults load bench-serving bench-overload sbom

help: ## List the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed (3.14 is not tried), this is " + sys.version.split()[0] + ": give another with make PYTHON=python3.12") if not (3, 11) <= sys.version_info[:2] <= (3, 14) else 0'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing (a few minutes, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

setup: .venv/installed ## Make .venv

run: setup ## Run the whole pipeline (SOURCE=sample, steam, table, ...: see docs/data.md; V=1 tells more)
	@$(BIN)/nextplay run $(if $(V),--verbose)

test: setup lint ## Lint, type-check and test
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not slow and not scale' --ignore tests/scale -p no:schemathesis -n 2 --dist loadfile --no-loadscope-reorder

test-all: setup lint ## As test, with the slow tests and those of the ranker
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,stages]'
	@$(BIN)/python -m pytest -m 'not scale'

test-scale: setup ## Spark, object storage and Postgres, against real servers that the tests start
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,dev-scale]'
	@$(BIN)/python -m pytest -m scale

test-faults: setup ## Kills, full disks, damage, bad candidates, broken downloads (50 minutes on two idle cores)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal tests/faults tests/security tests/assets/ingest/test_download.py \
	  tests/assets/state/test_backup.py tests/assets/release/test_retention.py tests/assets/tracking/test_mlflow_store.py \
	  tests/assets/release/test_rollback.py tests/assets/release/test_erasure.py tests/pipelines/operator/test_backups.py \
	  tests/pipelines/operator/test_stored_events.py tests/pipelines/operator/test_history.py tests/pipelines/test_settings.py \
	  tests/pipelines/test_repeating.py tests/pipelines/test_killed_runs.py tests/models/evaluation \
	  tests/models/training/test_export.py tests/serving/state tests/serving/test_access.py tests/serving/test_connections.py \
	  tests/serving/test_environment.py

lint: setup
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache >/dev/null && echo "lint, format, types, imports: fine"

ui: setup ## Dagster's UI and daemon, with the nightly schedule, on port 3001
	@$(BIN)/nextplay ui

reports: setup ## The page of nights and the gate reports, on port 3002 (`make ui` serves them, too)
	@$(BIN)/nextplay reports

serve: setup ## The champion's endpoint on port 3000
	@$(BIN)/nextplay serve

load: setup ## Real histories from the tables against a running endpoint (URL in NEXTPLAY_URL; needs wrk)
	@$(BIN)/python benchmarks/load.py

demo: setup ## The champion's page, opened in a browser where there is one (PORT=3100)
	@$(BIN)/nextplay demo $(if $(PORT),--port "$$PORT")

mlflow: setup ## MLflow's UI on port 5000
	@$(BIN)/nextplay mlflow

status: setup ## Who is champion and why, what is stale, sizes, the last run (JSON=1 for programs)
	@$(BIN)/nextplay status $(if $(JSON),--json)

promote: setup ## Make a version the champion: VERSION=3 BY=ada REASON='the old one fails'
	@$(BIN)/nextplay promote --by "$$BY" --reason "$$REASON" -- "$$VERSION"

rollback: setup ## Set the champion before this one back; a running endpoint follows
	@$(BIN)/nextplay rollback

forget: setup ## Forget a user, in the tables with the next run: USER=76561197970982479
	@test "$(origin USER)" = "command line" || { echo "Say whom: make forget USER=76561197970982479"; exit 1; }
	@$(BIN)/nextplay forget -- "$$USER"

holds: setup ## Say what still holds a user, and when it goes: USER=76561197970982479
	@test "$(origin USER)" = "command line" || { echo "Say whom: make holds USER=76561197970982479"; exit 1; }
	@$(BIN)/nextplay holds -- "$$USER"

erase: setup ## Remove what is left of forgotten users: old tables, reports, records
	@$(BIN)/nextplay erase

prune: setup ## Show what retention would remove; YES=1 removes it
	@$(BIN)/nextplay prune $(if $(YES),--yes)

backup: setup ## Copy all state to a new folder: TO=/mnt/backups/tonight; without it to NEXTPLAY_BACKUPS
	@$(BIN)/nextplay backup $(if $(TO),-- "$$TO")

restore: setup ## Fill an empty home from a backup: FROM=/mnt/backups/tonight
	@$(BIN)/nextplay restore -- "$$FROM"

as-served: setup ## Measure what is served, by nights with plays held back (CUT=last or a date; REFIT=no)
	@$(BIN)/nextplay as-served $(if $(CUT),--cut "$$CUT") $(if $(filter no,$(REFIT)),--no-refit)

bench-tomorrow: setup ## Every model on the next days' plays of dated data, cut by cut (hours, resumable)
	@$(BIN)/python -m benchmarks.tomorrow

bench-as-served: setup ## What is served on the shared real data, with refit and without (hours, resumable)
	@PYTHONPATH=. $(BIN)/python benchmarks/as_served.py

simulate: setup ## 60 simulated days and nights: what freshness is worth (half an hour)
	@$(BIN)/nextplay simulate

reproduce: setup ## Make a version's bundle again from its kept inputs, compared by hash: VERSION=3
	@$(BIN)/nextplay reproduce -- "$$VERSION"

bench-etl: setup ## From the gzipped libraries to the core, beside pandas and Polars (10 minutes)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench]'
	@$(BIN)/python benchmarks/etl.py

bench-leaderboards: setup ## Every model on the shared real data, with intervals (an hour)
	@$(BIN)/python benchmarks/leaderboards.py

bench-scale: setup ## What the tables cost, on DuckDB and Spark, by size (15 minutes)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,spark]'
	@$(BIN)/python benchmarks/scale.py

bench-soak: setup ## An hour of everything at once: answers, events, swaps, forgotten users, killed workers
	@$(BIN)/python -m benchmarks.soak

bench-swaps: setup ## 200 model swaps under constant load (20 minutes)
	@$(BIN)/python -m benchmarks.swaps

bench-etl-scale: setup ## What bench-etl does, with 1 to 100 million plays in 4 GB of memory (an hour or more, 10 GB of disk)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench]'
	@$(BIN)/python benchmarks/etl_scale.py

tune: setup ## Better settings for the data in var/, by validation alone (NETWORK=sasrec MINUTES=30)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,tune]'
	@$(BIN)/nextplay tune $(if $(NETWORK),--network "$$NETWORK") $(if $(MINUTES),--minutes "$$MINUTES")

.venv-rectools/installed .venv-replay/installed: .venv-%/installed: benchmarks/contenders/%.txt
	@$(PYTHON) -m venv .venv-$* && .venv-$*/bin/pip install --quiet --disable-pip-version-check -r $< && touch $@

bench-training: setup .venv-rectools/installed .venv-replay/installed ## Training speed beside RecTools and RePlay (25 minutes)
	@PYTHONPATH=. $(BIN)/python benchmarks/training.py

bench-quality: setup .venv-rectools/installed .venv-replay/installed ## Ours and the peers after the same search, resumable (a night)
	@$(BIN)/python -m benchmarks.quality

study-bert4rec: setup ## SASRec and BERT4Rec by loss, budget and measure, on the sample (an hour, resumable)
	@PYTHONPATH=. $(BIN)/python benchmarks/bert4rec_study.py

study-generative: setup ## Popularity to TIGER by quality and cost, on five data sets (hours, resumable)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,stages]'
	@$(BIN)/python -m benchmarks.generative

bench-serving: setup ## The endpoint under load, beside an empty route and a bare app (8 minutes; needs wrk)
	@PYTHONPATH=. $(BIN)/python benchmarks/serving_load.py

bench-overload: setup ## Four times as many requests as the endpoint can answer, for a minute (needs wrk)
	@PYTHONPATH=. $(BIN)/python benchmarks/overload.py

pictures: setup ## The pictures of docs/ anew: charts, Dagster, report, demo page (needs Chromium)
	@$(BIN)/python -m benchmarks.screenshots

bench-real-size: setup ## A first and a later night at the size of the Steam libraries, by stage (80 minutes)
	@$(BIN)/python -m benchmarks.real_size

bench-gate: setup ## How often the gate is right (10 minutes)
	@$(BIN)/python -m benchmarks.gate_page

.venv-sbom/installed:
	@$(PYTHON) -m venv .venv-sbom && .venv-sbom/bin/pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0 && touch $@

sbom: setup .venv-sbom/installed ## What is installed, with licences: sbom.json (CycloneDX)
	@.venv-sbom/bin/cyclonedx-py environment --output-reproducible --output-file sbom.json $(BIN)/python
	@echo "sbom.json is written"

clean: ## Remove all state (var/) and nothing else; the installed packages stay
	@$(PYTHON) -m pipelines.operator.clean
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
