"""Programs with a Ray of their own."""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARK = "TEST_OF_THE_RAY_ENGINE"  # in the environment of every process that a program starts

TELL = """
import json, os
def tell(answer):
    with open(os.environ["ANSWER"], "w") as file:
        json.dump(answer, file)
"""


@dataclass
class Done:
    """What came of a program; its answer is what it gave to `tell`."""

    returncode: int
    stdout: str
    stderr: str
    answer: Any


def script(code: str, mark: str = "", **environment: str) -> Done:
    """Run a program with a Ray of its own.

    Its answer comes by a file, for Ray writes to the output of a program whenever it has something to say:
    that a worker died, for example.
    """
    # `os.environ` may hold what Ray set for this process.
    clean = {name: text for name, text in os.environ.items() if not name.startswith("RAY_")}
    with tempfile.NamedTemporaryFile("r") as file:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", TELL + textwrap.dedent(code)],
            env={**clean, MARK: mark, "ANSWER": file.name, **environment},
            text=True,
            capture_output=True,
            timeout=140,
            check=False,
        )
        text = file.read()
    return Done(done.returncode, done.stdout, done.stderr, json.loads(text) if text else None)


def answer(done: Done) -> Any:
    assert done.returncode == 0, done.stderr
    return done.answer


def alive(mark: str) -> list[str]:
    """Give the command lines of living processes that have the mark."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it has ended meanwhile
            continue
    return found
