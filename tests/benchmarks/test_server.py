"""The script that measures the tensor server runs. How fast it was is not tested."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "server" / "serving.py"


@pytest.mark.parametrize("case", ["fraud", "ensemble", "long"])
def test_a_case_is_measured(case: str) -> None:
    command = [sys.executable, str(SCRIPT), case, "--quick", "--seconds", "0.05"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    assert "alula" in done.stdout or "operations" in done.stdout or "whole" in done.stdout
    assert "/s" in done.stdout
    assert "not measured" not in done.stdout
