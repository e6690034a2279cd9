# make demo    install into .venv and open the page on http://127.0.0.1:$(PORT)
# make test    install and run the fast tests; make test SLOW=1 runs all of them, as CI does
# make lint    check style;  make train  train V1 again;  make clean  remove what was installed and derived
# Each can be run again and again: what is done is skipped.

PORT ?= 7860
PYTHON ?= python3
CPU_BUILDS := https://download.pytorch.org/whl/cpu
PY := .venv/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint train clean

demo: .venv/.installed
	$(PY) -m index_builders build
	$(PY) app.py --port $(PORT)

test: .venv/.installed-dev
	$(PY) -m pytest $(if $(SLOW),--slow)

lint: .venv/.installed-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

train: .venv/.installed
	$(PY) -m rectrio_models train --dataset fashion-mnist --out hub_cards/rectrio-v1-fashion --fresh
	$(PY) -m rectrio_models evaluate --release v1-fashion --queries tests/queries/fashion*.jsonl \
	  tests/queries/present_fashion.jsonl tests/queries/attributes.jsonl
	$(PY) -m rectrio_models bench --release v1-fashion
	$(PY) -m index_builders bench --release v1-fashion
	$(PY) -m index_builders calibrate --release v1-fashion
	$(PY) -m index_builders refusals --release v1-fashion tests/queries/present_fashion.jsonl \
	  tests/queries/absent_fashion.jsonl

clean:
	rm -rf .venv .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Without an NVIDIA GPU, PyTorch's CPU build is taken where its index answers within a few seconds: the default build
# for Linux brings gigabytes of CUDA.
.venv/.installed: requirements.txt
	test -x $(PY) || $(PYTHON) -m venv .venv
	@if ! command -v nvidia-smi > /dev/null 2>&1 && \
	  $(PY) -c "import urllib.request as u; u.urlopen('$(CPU_BUILDS)/torch/', timeout=4)" > /dev/null 2>&1; then \
	  $(PIP) $$(grep -E '^torch(vision)?==' requirements.txt) --index-url $(CPU_BUILDS) || true; fi
	$(PIP) -r requirements.txt
	touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.txt
	$(PIP) -r requirements-dev.txt
	touch $@
