# Every command a person types. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := prep adapters_tf trainer eval
RUN ?= runs/demo
METHOD ?= bottleneck
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadgroup

# Installs $(2) into the environment $(1). What pip has to say of it goes to a file, for its notices
# are nothing one could act on; where it fails, they are all there is to go by.
define install
	@echo "installing into $(1), which takes some minutes"
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check $(2) 2> $(1)/pip.log \
		|| { cat $(1)/pip.log >&2; exit 1; }
endef

.DEFAULT_GOAL := help
include docker/cloud.mk

.PHONY: help setup tpu-setup shell demo quickstart test test-quick test-tpu-wheel test-jax-step test-kills tpu-compiler format lint types imports docs notebooks check benchmarks bench-tpu benchmark-peers benchmark-train-peers benchmark-eval-peers parity parity-newer stage lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile docker/cloud.mk | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 24

setup: $(VENV)/installed $(if $(GPU),$(VENV)/gpu) ## create .venv with the pinned environment (GPU=1: CUDA)

# An environment of the TPU wheel stays one: `tensorflow` must not come over `tensorflow-tpu`.
ifneq ($(wildcard $(VENV)/tpu),)
$(VENV)/installed: $(VENV)/tpu
	@touch $@
else
$(VENV)/installed: requirements.txt requirements-dev.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' || \
		{ echo "error: Python 3.10 to 3.12 is needed, $(PYTHON) is $$($(PYTHON) --version); try make PYTHON=python3.11"; exit 2; }
	@$(PYTHON) -m venv $(VENV)
	$(call install,$(VENV),-r requirements-dev.txt -c constraints.txt)
	@touch $@
endif

# CUDA's libraries come from PyPI, in the versions that this TensorFlow was built with.
$(VENV)/gpu: $(VENV)/installed
	$(call install,$(VENV),'tensorflow[and-cuda]==$(shell sed -n 's/^tensorflow\[.*==//p' requirements.txt)' -c constraints.txt)
	@touch $@

# From elsewhere, with TPU= of .env, it is done on that machine.
tpu-setup: $(if $(TPU),tpu-install,$(VENV)/tpu) ## on a TPU VM: create .venv anew, with tensorflow-tpu
	$(if $(TPU),@:,$(BIN)/python -m trainer.doctor)

$(VENV)/tpu: requirements-tpu.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
		{ echo "error: Python 3.11 or 3.12 is needed, $(PYTHON) is $$($(PYTHON) --version); try make tpu-setup PYTHON=python3.11"; exit 2; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	$(call install,$(VENV),--no-deps -r requirements-tpu.txt)
	@touch $(VENV)/tpu $(VENV)/installed

shell: setup ## open a shell whose `python` is the environment's
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" PATH="$(CURDIR)/$(BIN):$$PATH" $${SHELL:-/bin/sh}

demo: setup ## the story on generated tasks, in minutes; FULL=1: the long one, about 8 minutes
	$(BIN)/python -m trainer.demo $(if $(FULL),$(if $(filter-out runs/demo,$(RUN)),--run $(RUN)) --full,--run $(RUN)) --method $(METHOD)

quickstart: $(if $(FILE),.files-there) setup ## from a CSV file to a report: FILE=my.csv, by default made-up tickets; RUN=folder
	$(BIN)/python -m trainer quickstart $(FILE) $(addprefix --run ,$(filter-out runs/demo,$(RUN)))

# Before minutes of installing: FILE may be several, each with its split in front (train=my.csv).
.PHONY: .files-there
.files-there:
	@for file in $(FILE); do \
	  if [ ! -f "$$file" ] && [ ! -f "$${file#*=}" ]; then \
	    echo "error: FILE=$$file: there is no such file" >&2; exit 2; \
	  fi; \
	done

# In parts, one after the other: TensorFlow keeps every program it compiled, gigabytes of them.
test: setup ## run the tests, or a room of them: PART=trainer/losses
ifdef PART
	@$(BIN)/python -m tests.part $(PART)
else
	$(PYTEST) tests/prep tests/eval tests/docs tests/notebooks tests/test_*.py
	$(PYTEST) tests/adapters_tf
	$(PYTEST) tests/trainer/[a-o]*/
	$(PYTEST) tests/trainer/[p-z]*/
	$(PYTEST) tests/trainer/test_*.py
endif

test-quick: setup ## run the tests that build no model: half a minute
	$(PYTEST) -m "not slow" tests

format: setup ## rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: setup ## check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup ## check the types
	$(BIN)/mypy

imports: setup ## check who may import whom
	$(BIN)/lint-imports

notebooks: setup ## run the notebooks, and keep copies with outputs in build/notebooks
	$(BIN)/python -m notebooks.run build/notebooks

# Strict: a link that leads nowhere ends it. Its makers need Python 3.11, and have news at every start.
# After `make notebooks`, the site has the notebooks with what they showed.
docs: export NO_MKDOCS_2_WARNING := 1
docs: setup ## write the site of docs/ to build/site
	$(BIN)/mkdocs build --strict

check: lint types imports test ## all that CI runs

# The environment is made beside .venv; some 2 GB to download.
test-tpu-wheel: setup ## train some steps with the TPU wheel, on the CPU
	@$(MAKE) --no-print-directory tpu-setup VENV=.venv-tpu
	TPU_WHEEL_PYTHON=.venv-tpu/bin/python $(BIN)/python -m pytest tests/trainer/test_tpu_wheel.py

test-kills: setup ## kill a run twenty times, compare it with a whole one
	KILLS=20 $(BIN)/python -m pytest -s tests/trainer/test_random_kills.py

test-jax-step: setup .venv-jax/installed ## run the exported step through JAX's runtime
	JAX_PYTHON=.venv-jax/bin/python $(BIN)/python -m pytest -s tests/trainer/test_step_on_jax.py

.venv-jax/installed:
	@$(PYTHON) -m venv .venv-jax
	$(call install,.venv-jax,jax==0.6.1 jaxlib==0.6.1 numpy==2.2.6)
	@touch $@

tpu-compiler: .venv-tpu-compiler/installed ## install the TPU compiler of the preflight (900 MB)

.venv-tpu-compiler/installed: requirements-tpu-compiler.txt
	@$(PYTHON) -m venv .venv-tpu-compiler
	$(call install,.venv-tpu-compiler,-r $<)
	@touch $@

benchmarks: setup ## time prep, training and evaluation beside references
	$(BIN)/python -m benchmarks.prep_speed
	$(BIN)/python -m benchmarks.input_speed
	$(BIN)/python -m benchmarks.train_speed
	$(BIN)/python -m benchmarks.eval_speed

bench-tpu: setup tpu-compiler ## let a TPU's compiler judge the steps (about an hour)
	$(BIN)/python -m benchmarks.tpu_steps

benchmark-peers: setup .venv-huggingface/installed .venv-seqio/installed ## prepare data side by side with the peers
	$(BIN)/python -m benchmarks.prep_peers --python huggingface=.venv-huggingface/bin/python --python seqio=.venv-seqio/bin/python

.venv-huggingface/installed:
	@$(PYTHON) -m venv .venv-huggingface
	$(call install,.venv-huggingface,datasets transformers==4.57.6 tensorflow==2.20.0 sentencepiece==0.2.3)
	@touch $@

.venv-seqio/installed:
	@$(PYTHON) -m venv .venv-seqio
	$(call install,.venv-seqio,seqio 'sentencepiece<0.2.2')
	@touch $@

benchmark-train-peers: setup .venv-parity/installed ## train side by side with the peers
	$(BIN)/python -m benchmarks.train_peers --python .venv-parity/bin/python

benchmark-eval-peers: setup .venv-parity/installed ## answer side by side with the peers
	$(BIN)/python -m benchmarks.eval_peers --python .venv-parity/bin/python

parity: setup .venv-parity/installed ## compare with PEFT, AdapterHub and PyTorch's T5
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m benchmarks.parity --python .venv-parity/bin/python
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m benchmarks.parity.beams \
		--python .venv-parity/bin/python

parity-newer: setup .venv-parity/installed .venv-newer/installed ## the same, and transformers 5 opens the plain T5s too
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m benchmarks.parity --python .venv-parity/bin/python \
		--newer .venv-newer/bin/python

.venv-newer/installed: benchmarks/parity/requirements-newer.txt
	@$(PYTHON) -m venv .venv-newer
	$(call install,.venv-newer,-r $<)
	@touch $@

.venv-parity/installed: benchmarks/parity/requirements.txt
	@$(PYTHON) -m venv .venv-parity
	$(call install,.venv-parity,-r $<)
	@touch $@

# The manifest is there last: nobody takes half a dataset for a whole one.
stage: DIR := $(or $(DIR),$(DATASET))
stage: TO := $(or $(TO),$(if $(BUCKET),gs://$(BUCKET)/$(notdir $(DATASET))))
stage: $(ENVIRONMENT) ## copy DIR to TO=gs://bucket/prefix with gsutil
	@test -n "$(DIR)" || { echo "error: make stage: DIR and DATASET are empty: the folder to copy" >&2; exit 2; }
	@test -n "$(TO)" || { echo "error: make stage: BUCKET is empty (.env), and TO=gs://bucket/prefix too" >&2; exit 2; }
	$(DO) gsutil -q cp docker/unfinished.json $(TO)/dataset.json
	$(DO) gsutil -m -q rsync -c -r -x '(.*/)?[.].*|dataset[.]json$$' $(DIR) $(TO)
	$(DO) gsutil -q cp $(DIR)/dataset.json $(TO)/dataset.json
	$(DO) $(BIN)/python -m prep verify $(TO)

lock: setup ## renew constraints.txt from the pins (needs uv)
	uv pip compile -q --universal --python-version 3.10 --fork-strategy fewest --no-annotate --no-header \
		requirements-dev.txt -o constraints.txt
	sed -i '1i # Resolved by uv for Python 3.10 to 3.12 on Linux, macOS and Windows; renewed by `make lock`.' constraints.txt
	sed 's/^tensorflow\[.*\]==/tensorflow-tpu[gcs-filesystem]==/' requirements.txt > requirements-tpu.in
	echo 'libtpu==0.0.14' >> requirements-tpu.in
	echo 'tensorflow ; python_version < "3"' > requirements-tpu.overrides
	uv pip compile -q --python-version 3.11 --python-platform x86_64-manylinux_2_31 --no-annotate --no-header \
		--overrides requirements-tpu.overrides -c constraints.txt requirements-tpu.in -o requirements-tpu.lock
	sed -i '/^#/!d' requirements-tpu.txt && cat requirements-tpu.lock >> requirements-tpu.txt
	rm requirements-tpu.in requirements-tpu.overrides requirements-tpu.lock

clean: ## remove the environment, the runs and the caches
	rm -rf $(VENV) .venv-* runs build .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
