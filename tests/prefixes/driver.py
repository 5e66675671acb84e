"""A process that runs a program, or goes on with it; `start` starts one.

Arguments: a home, the URL of a store, a file with the pickled program, and ``first`` or ``resumed``. It
prints the pickled answer.
"""

import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import alula
from tests.prefixes import programs, runs
from tests.prefixes.answers import Answer
from tests.prefixes.programs import Step
from tests.prefixes.recordings import State

__all__ = ["How", "answer_of", "start"]

How = Literal["first", "resumed"]


def start(
    state: State, program: Step, how: How, environment: Mapping[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """Start a process that runs a program on a state."""
    file = state.home / "program"
    file.write_bytes(pickle.dumps(program))
    command = [sys.executable, "-m", "tests.prefixes.driver", str(state.home), state.store, str(file), how]
    pipe = subprocess.PIPE
    tree = str(Path(__file__).parents[2])
    return subprocess.Popen(command, cwd=tree, env=environment, stdout=pipe, stderr=pipe)


def answer_of(process: "subprocess.Popen[bytes]") -> Answer | None:
    """Wait for the answer of a process; None if it was killed, or there is no such workflow."""
    said, errors = process.communicate(timeout=150)
    if process.returncode == -9:
        return None
    assert process.returncode == 0, errors.decode()
    answer: Answer | None = pickle.loads(said)
    return answer


def main(home: str, store: str, file: str, how: How) -> None:
    programs.is_driver = True
    alula.init(num_cpus=2, log_to_driver=False)
    program: Step = pickle.loads(Path(file).read_bytes())
    ran = getattr(runs, how)(State(Path(home), store), program)
    alula.shutdown()
    sys.stdout.buffer.write(pickle.dumps(ran.answer))


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]  # whoever starts it gives a `How`
