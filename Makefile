# Two commands for a newcomer: `make demo`, `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install docs demo demo-network test test-newest test-oldest test-deep conformance lint bench-ingest bench-queries bench-store bench-compression bench-scale bench-kernels \
	bench-lfp bench-lfp-scale bench-network bench-network-lake bench-network-run bench-glia-questions bench-ngv bench-runs bench-serve bench-start bench-terabyte \
	bench-latency bench-cluster test-s3 clean

help: ## this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

install: $(VENV)/.installed ## make .venv and install neurolake in it, with what development needs

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "neurolake needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

# The peers that the store is compared with are large; only the benchmarks need them.
$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench]'
	touch $@

demo: install ## simulate into a lake, ask and plot: see demo/
	$(BIN)/neurolake demo demo

demo-network: install ## build a network, run it, and draw its spikes, rates and potentials: see demo-network/
	$(BIN)/neurolake build example demo-network
	$(BIN)/neurolake build network demo-network/network.yaml --name example --lake demo-network/lake
	$(BIN)/neurolake ingest electrodes --probe laminar --contacts 16 --spacing 25 --place 250 250 440 --name probe --lake demo-network/lake
	$(BIN)/neurolake run-network example --tstop 200 --name run --record soma --dt-record 0.5 --lfp electrodes/probe --lake demo-network/lake
	$(BIN)/neurolake plot population-raster --circuit run -o demo-network/raster.png --lake demo-network/lake
	$(BIN)/neurolake plot rates --circuit run -o demo-network/rates.png --lake demo-network/lake
	$(BIN)/neurolake lfp plot lfp/run/probe --group PYR --segments segments/run/PYR -o demo-network/lfp.png --lake demo-network/lake

test: install ## all tests
	$(BIN)/pytest -n auto --dist loadscope

test-newest: install ## wheel, store and queries with the newest Python that is here and the newest dependencies
	.ci/versions newest

test-oldest: install ## wheel, store and queries with the oldest dependencies that pyproject.toml allows
	.ci/versions oldest

test-deep: install ## the store's random tests at length: minutes of versions, kills and races
	HYPOTHESIS_PROFILE=deep $(BIN)/pytest tests/lake/test_stateful_versions.py tests/lake/test_stateful_expiry.py tests/lake/test_stateful_names.py tests/lake/test_kill.py \
		tests/lake/test_races.py tests/ingest/test_runs_real.py tests/ingest/test_runs_statistics.py tests/ingest/test_recording_any_model.py

conformance: install ## zarr-python's and xarray's own tests on stores of lakes: minutes
	$(BIN)/python tests/conformance/run.py

docs: install ## write docs/data.md and docs/types.md
	$(BIN)/python -m neurolake.catalog.vocabulary.page docs/data.md
	$(BIN)/python tests/helpers/type_table.py docs/types.md

lint: install ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench-ingest: $(VENV)/.bench ## speed, memory and size of ingest, beside pandas
	$(BIN)/python benchmarks/bench_ingest.py

bench-queries: $(VENV)/.bench ## questions in SQL and Python, beside pandas on the CSV files
	$(BIN)/python benchmarks/bench_queries.py

bench-store: $(VENV)/.bench ## arrays, commits and tables, beside zarr, Icechunk, HDF5, Delta and DuckDB
	$(BIN)/python benchmarks/bench_store.py

bench-compression: $(VENV)/.bench ## voltages by Blosc and as differences: size, speed, from a cold disk
	$(BIN)/python benchmarks/bench_compression.py

bench-scale: $(VENV)/.bench ## questions to 1,000 and 18,000 trials, beside pandas and dask on ISF's layout: half an hour
	$(BIN)/python benchmarks/bench_scale.py

bench-terabyte: $(VENV)/.bench ## a lake of TERABYTE_BENCH="--bytes 1e12 --work DIR", of 1 GB by default: open, ask, commit, verify, collect, copy
	$(BIN)/python benchmarks/bench_terabyte.py $(TERABYTE_BENCH)

bench-latency: $(VENV)/.bench ## a lake on an S3 server 20 ms away: requests, round trips one after the other, time
	$(BIN)/python benchmarks/bench_latency.py $(LATENCY_BENCH)

bench-cluster: $(VENV)/.bench ## dask on eight processes beside one: means, a derived result, an ingest
	$(BIN)/python benchmarks/bench_cluster.py $(CLUSTER_BENCH)

bench-kernels: $(VENV)/.bench ## kernels, beside NumPy, pandas, elephant and the speed of memory
	$(BIN)/python benchmarks/bench_kernels.py

bench-lfp: $(VENV)/.bench ## LFP coefficients and signals, beside LFPykit, BlueRecording and the machine's arithmetic
	$(BIN)/python benchmarks/bench_lfp.py

bench-lfp-scale: $(VENV)/.bench ## how LFP signals grow with segments
	$(BIN)/python benchmarks/bench_lfp_scale.py

bench-network: $(VENV)/.bench ## building networks, beside NEST, BMTK and NetPyNE, and how it grows with size
	$(BIN)/python benchmarks/bench_network.py $(NETWORK_BENCH)

bench-network-lake: $(VENV)/.bench ## networks built, read, written and asked in a lake, up to 100 M edges
	$(BIN)/python benchmarks/bench_network_lake.py $(NETWORK_LAKE_BENCH)

bench-ngv: $(VENV)/.bench ## circuits of glia: somata, domains, surfaces and endfeet, beside voro++ and ArchNGV's recorded seconds
	$(BIN)/python benchmarks/bench_ngv.py $(NGV_BENCH)
	$(BIN)/python benchmarks/bench_contacts.py $(CONTACTS_BENCH)

bench-glia-questions: $(VENV)/.bench ## circuits of glia asked: the questions of docs/ngv.md and what circuits answer
	$(BIN)/python benchmarks/bench_glia_questions.py $(GLIA_QUESTIONS_BENCH)

bench-network-run: $(VENV)/.bench ## networks simulated, beside NEURON alone: loop, records, contacts, memory, load
	$(BIN)/python benchmarks/bench_network_run.py $(NETWORK_RUN_BENCH)

bench-runs: $(VENV)/.bench ## trials in NEURON, beside a loop written by hand
	$(BIN)/python benchmarks/bench_runs.py

bench-serve: $(VENV)/.bench ## the page of 18,000 trials in Chromium: first paint, every interaction, every endpoint
	$(BIN)/python benchmarks/bench_serve.py $(SERVE_BENCH)

bench-start: $(VENV)/.bench ## how long a new process takes to its first answer
	$(BIN)/python benchmarks/bench_start.py

test-s3: install ## S3 tests on Ceph's radosgw: apt-get install ceph-mon ceph-mgr ceph-osd radosgw
	NEUROLAKE_RADOSGW=1 $(BIN)/pytest tests/test_radosgw.py

clean: ## remove the environment and everything made
	rm -rf $(VENV) demo build .conformance *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
