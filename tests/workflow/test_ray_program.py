"""What was written for Ray Workflows runs with other imports."""

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).with_name("ray_program.py")


def test_a_program_for_ray_workflows_runs_with_other_imports(home: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(PROGRAM), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=150)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "as ever\n"
