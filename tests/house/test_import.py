"""`import alula` costs next to nothing, whatever is installed."""

import json
import os
import statistics
import subprocess
import sys

import pytest

HEAVY = {
    "asyncio",
    "cloudpickle",
    "fsspec",
    "numpy",
    "platformdirs",
    "rich",
    "sqlalchemy",
    "typer",
    # the extras
    "hiredis",
    "nbclient",
    "onnx",
    "onnxruntime",
    "pandas",
    "pyarrow",
    "ray",
    "redis",
    "skl2onnx",
    "sklearn",
    "torch",
    "uvloop",
}


def fresh(code: str) -> str:
    """Run code in a new interpreter that nobody measures."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def loaded(code: str) -> set[str]:
    """Give the heavy packages that are loaded once the code has run."""
    names: list[str] = json.loads(fresh(f"import json, sys; {code}; print(json.dumps([*sys.modules]))"))
    return HEAVY & set(names)


def test_the_root_loads_nothing_heavy() -> None:
    assert loaded("import alula; dir(alula)") == set()


@pytest.mark.parametrize("name", ["remote", "ObjectRef", "init"])
def test_the_way_of_futures_loads_no_database_and_no_extra(name: str) -> None:
    assert loaded(f"import alula; alula.{name}") <= {"asyncio", "cloudpickle"}


def test_the_root_is_imported_in_a_tenth_of_a_second() -> None:
    code = "import time; start = time.perf_counter(); import alula; print(time.perf_counter() - start)"
    assert statistics.median(float(fresh(code)) for _ in range(5)) < 0.1


@pytest.mark.parametrize("module", ["_driver", "_node_process"])
def test_the_embedded_engine_loads_no_asyncio(module: str) -> None:
    """It would take as long as all the rest of a cold start: only who awaits has it."""
    assert loaded(f"import alula.futures._embedded.{module}") == {"cloudpickle"}


def test_what_starts_the_node_process_loads_the_engine_only_then() -> None:
    modules = fresh("import sys, alula.futures._embedded; print(*sys.modules)").split()
    assert "alula.futures._embedded._engine" not in modules
