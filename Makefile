# Everything a newcomer needs: `make demo` and `make test` set themselves up in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ROUNDS ?= 50
ONLY ?=

NATIVE := $(wildcard ofx_bridge/client/*.[ch] ofx_bridge/plugin/*.[ch] tests/*/*.[ch])
NUKE := nuke_gizmo/python nuke_gizmo/init.py nuke_gizmo/menu.py tests/hosts/nuke_smoke.py
LUA := $(wildcard resolve_fuse/*.fuse resolve_fuse/Modules/Lua/*.lua tests/*/*.lua)

.PHONY: demo test lint bench soak ofx wheel clean

demo: $(READY)
	$(BIN)/ckey demo --out demo

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/vermin --quiet --no-tips --violations --target=3.7- $(NUKE)
	$(BIN)/clang-format --dry-run -Werror $(NATIVE)
	@command -v luacheck > /dev/null || { echo 'luacheck is missing; run `apt-get install lua-check`.' >&2; exit 1; }
	luacheck --quiet $(LUA)

bench: $(READY)
	$(BIN)/python tests/bench/run.py $(ONLY)

soak: $(READY)
	CKEY_SOAK_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest -m soak --timeout 0

ofx: $(READY)
	$(BIN)/python ofx_bridge/build.py

wheel: $(READY)
	$(BIN)/python -m build --wheel --outdir dist .

clean:
	rm -rf $(VENV) .venv-* build dist demo

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,movies]'
	touch $(READY)
