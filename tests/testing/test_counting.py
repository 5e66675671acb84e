"""The suite counts what an engine passes."""

import re
import subprocess
import sys


def test_behaviours_are_counted_by_what_came_of_them() -> None:
    names = "two_gets or a_yielded_reference_may or empty_list"
    code = (
        "import sys; from alula.testing.conformance.__main__ import main; "
        f"from alula.futures import Engine; sys.exit(main(['embedded'], '-k', {names!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.fullmatch(
        r"embedded: (\d+) behaviours, (\d+) passed, 0 not supported, 0 failed", done.stdout.splitlines()[-1]
    )
    assert counted is not None
    assert int(counted[1]) == int(counted[2]) >= 2
