# make demo [INPUT=<video | image folder | bag>]   see it work: everything is installed into .venv
# make test [JOBS=2] [ARGS=<pytest's>]             run all tests, in so many processes
# make lint | bench | docs | clean                 lint: make style types

PYTHON ?= python3
INPUT ?=
ARGS ?=
JOBS ?= 2

# With a ROS distribution sourced, its rclpy is used, in an environment of its own.
ROUTE := $(if $(ROS_DISTRO),distribution,wheels)
VENV ?= .venv$(addprefix -,$(ROS_DISTRO))
BIN := $(VENV)/bin
PACKAGES := setup.py setup.cfg constraints.txt constraints-distribution.txt
RUNTIME := $(VENV)/.runtime
DEVELOP := $(VENV)/.develop
DOCS := $(VENV)/.docs
PIP = $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint $(VENV)/constraints.txt

export PYTHONUNBUFFERED := 1

.PHONY: demo test lint style types format bench docs clean

demo: $(RUNTIME)
	$(BIN)/python -m anomaly_seg_ros.cli.main demo $(if $(INPUT),'$(INPUT)') $(ARGS)

test: $(DEVELOP)
ifeq ($(ARGS),)
	@# Live nodes apart from tests that train, fork and load both cores of a small machine.
	$(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=loadfile test/nodes test/pipeline
	$(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=loadfile \
		--ignore=test/nodes --ignore=test/pipeline
else
	$(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=loadfile $(ARGS)
endif

lint: style types

style: $(DEVELOP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEVELOP)
	$(BIN)/mypy

format: $(DEVELOP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(RUNTIME)
	$(BIN)/python -m anomaly_seg_ros.cli.main bench --bundle default --engine onnxruntime \
	    --size 1024x512 --json out/bench.json $(ARGS)

docs: $(DOCS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) build dist install log out site *.egg-info training/*.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Environments: installed again only when what they hold has changed.

$(RUNTIME): $(PACKAGES)
	@$(PYTHON) .ci/check_python.py $(ROUTE)
	@echo 'Installing the vehicle software into $(VENV) ...'
	$(PYTHON) -m venv $(if $(filter distribution,$(ROUTE)),--system-site-packages) $(VENV)
	@touch $(VENV)/COLCON_IGNORE
ifeq ($(ROUTE),distribution)
	@grep -vE '^(numpy|opencv-python-headless)==' constraints.txt \
	    | cat - constraints-distribution.txt > $(VENV)/constraints.txt
	$(PIP) --editable '.'
else
	@cp constraints.txt $(VENV)/constraints.txt
	$(PIP) --editable '.[ros-wheels]'
endif
	@touch $@

$(DEVELOP): $(RUNTIME) training/pyproject.toml
	@echo 'Installing torch, the lab and the test tools into $(VENV) (several GB) ...'
	@# Of 16 000 modules Python compiles those that are imported; pip would compile all.
	$(PIP) --no-compile --editable '.[torch,models,transformers,test,lint]' \
	    --editable 'training[tensorboard]'
	@touch $@

$(DOCS): $(RUNTIME)
	$(PIP) --editable '.[docs]'
	@touch $@
