"""Every cell of the fault matrix: the process dies there, the outcome is the one written, nothing is left."""

from pathlib import Path

import pytest

from alula._core._gates import GATES
from tests.faults.matrix import CELLS, Cell, run

ELSEWHERE = ("ahead.", "artifacts.", "environment.", "executor.", "journal.", "output.", "store.")
"""How the gates of the other layers begin; `test_workflow` kills there."""


def _name(cell: Cell) -> str:
    return f"{cell.victim}-{cell.gate}-{cell.size}"


@pytest.mark.parametrize("cell", CELLS, ids=_name)
def test_a_process_that_dies_at_a_gate_leaves_a_right_answer_or_a_named_error(
    cell: Cell, tmp_path: Path
) -> None:
    outcome = run(cell, tmp_path)
    assert outcome.answer in cell.outcome.split(" or ")
    assert outcome.died, "it never got to the gate: the cell proves nothing"
    assert outcome.left == ()


def test_every_gate_of_the_engine_is_in_the_matrix() -> None:
    assert {cell.gate for cell in CELLS} == {gate for gate in GATES if not gate.startswith(ELSEWHERE)}
