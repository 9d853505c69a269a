# The README's two commands are `make demo` and `make test`; everything else is for those who work on edgeship.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

# tests and runs start hundreds of processes: without bytecode on disk each would compile torch and the exporters anew
unexport PYTHONDONTWRITEBYTECODE

.PHONY: weights demo test test-fast test-all check-android android-data android-archives check-android-libs lint types contracts check lock system-deps clean bench bench-quick tables docs

demo: $(STAMP)
	$(BIN)/edgeship run examples/digits/recipe.toml --quick
	$(BIN)/edgeship bundle runs --variant int8

# what CI runs, under 15 minutes on two cores
test: $(STAMP) weights
	$(BIN)/pytest -q -m "not slow" -n 2 --dist loadfile tests

# what needs no exporter and no example's weights, under 90 s on two cores
test-fast: $(STAMP)
	$(BIN)/pytest -q -m "not slow and not heavy" -n 2 --dist loadfile tests/unit tests/contract

# everything, the long ones too
test-all: $(STAMP) weights
	$(BIN)/pytest -q --timeout 3600 tests

# every Kotlin file compiled, suites of hostile bundles and real inference on the JVM; needs a JDK 17 and Maven
check-android: android-data android-archives
	mvn --batch-mode --no-transfer-progress -f apps/android verify

android-data: $(STAMP)
	$(BIN)/python tests/android_data.py apps/android/target/data

# 95 MB as data: the classes that ExecuTorch's and LiteRT's engines are compiled against, and the libraries with them
android-archives: $(STAMP)
	$(BIN)/python tests/android_archives.py apps/android/target

# pages of 16 KB and both ABIs of what can be had here, or of an APK of yours: make check-android-libs APK=app.apk
check-android-libs: $(if $(APK),$(STAMP),android-archives)
	$(BIN)/python tests/android_libs.py $(or $(APK),apps/android/target/archives/*)

# the Swift core of apps/ios: suites, slots, contract and real inference; makes a root with Swift 6 (mmdebstrap; minutes, once)
.PHONY: test-ios-core
test-ios-core: $(STAMP)
	$(BIN)/pytest -q -s tests/e2e/test_ios_core.py

lint: $(STAMP)
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports --no-cache

check: lint types contracts test

# uv makes the environment in seconds; pip alone would take minutes
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip sync --quiet --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $(STAMP)

# the trained weights of examples/pitch and examples/minilm, 93 MB
weights: $(STAMP)
	$(BIN)/python examples/get_weights.py

lock:
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra all --extra dev \
	  --no-emit-index-url --no-header pyproject.toml -o requirements.lock

# the published figures, on a quiet machine: about five hours on two cores; each script says in --help how long it takes
bench: $(STAMP) weights
	$(BIN)/python -m benchmarks.toolchain_speed
	$(BIN)/python -m benchmarks.examples
	$(BIN)/python -m benchmarks.zoo
	$(BIN)/python -m benchmarks.artifact_latency
	$(BIN)/python -m benchmarks.what_optimizations_bring
	$(BIN)/python -m benchmarks.growth
	$(BIN)/python -m benchmarks.agent_overhead
	$(BIN)/python -m benchmarks.arm_counts
	$(BIN)/python -m benchmarks.update_bytes
	$(BIN)/python -m benchmarks.aa_test
	$(BIN)/python -m benchmarks.tables

# the same scripts on little, to see that they run: nothing that is published changes
bench-quick: $(STAMP)
	$(BIN)/python -m benchmarks.toolchain_speed --quick
	$(BIN)/python -m benchmarks.examples --quick
	$(BIN)/python -m benchmarks.zoo --quick
	$(BIN)/python -m benchmarks.artifact_latency --quick
	$(BIN)/python -m benchmarks.what_optimizations_bring --quick
	$(BIN)/python -m benchmarks.update_bytes --quick
	$(BIN)/python -m benchmarks.aa_test --quick

# the pages' tables and plugins, from benchmarks/results and examples/plugins
tables: $(STAMP)
	$(BIN)/python -m benchmarks.tables

# what the code itself says: docs/recipe.md, the report's and the protocol's JSON Schemas
docs: $(STAMP)
	$(BIN)/python -m docs.generate

# parts that want them are skipped, with the reason, where these are missing
system-deps:
	apt-get update -q && apt-get install -y -q --no-install-recommends g++ chromium \
	  qemu-user qemu-user-static mmdebstrap g++-aarch64-linux-gnu openssh-client openssh-server dropbear-bin adb maven \
	  $(shell command -v npm > /dev/null || echo npm)

clean:
	rm -rf .venv runs
