"""What was wrong in Ray Workflows, where no other test shows that it is right here; and the page of that.

The page has what was wrong in omega-ml's runtime, too.
"""

import re
from pathlib import Path
from typing import Any

import pytest

import alula
from alula import workflow
from alula.errors import WorkflowExecutionError
from alula.testing import Turnstile, faults
from tests.workflow.bodies import OddError, Tally, add

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "upstream-defects.md"


def test_a_resume_never_meets_a_task_of_the_run_before(
    tmp_path: Path, tally: Tally, turnstile: Turnstile
) -> None:
    door = Turnstile(tmp_path, "door")

    @alula.remote
    def fails() -> int:
        door.wait()
        raise OddError(code=7)

    @alula.remote
    def sibling() -> int:
        tally.mark("start")
        turnstile.wait()
        tally.mark("end")
        return 1

    with door:
        ref = workflow.run_async(add.bind(sibling.bind(), fails.bind()), workflow_id="w")
        door.arrived()
        turnstile.arrived()
        door.let()
        assert alula.wait([ref], timeout=0.1) == ([], [ref])
        turnstile.let()
        with pytest.raises(WorkflowExecutionError):
            alula.get(ref)
        with pytest.raises(WorkflowExecutionError):
            workflow.resume("w")
    assert tally.counts() == {"start": 1, "end": 1}


def test_large_values_are_in_the_store_before_anything_that_mentions_them() -> None:
    order: list[str] = []
    value = alula.put(bytes(1_000_000))
    seen = {name: lambda name=name: order.append(name) for name in ("artifacts.written", "journal.commit")}
    with faults(seen):
        workflow.run(total_size.bind([value]), workflow_id="w")
    assert order.index("journal.commit") > max(
        i for i, name in enumerate(order) if name == "artifacts.written"
    )


@alula.remote
def total_size(values: list[Any]) -> int:
    return sum(len(alula.get(value)) for value in values)


def test_an_id_with_slashes_makes_no_folders(home: Path) -> None:
    workflow.run(add.bind(1), workflow_id="some/where/else")
    assert [path for path in home.rglob("*") if path.name in ("some", "where", "else")] == []
    assert workflow.list_all() == [("some/where/else", workflow.SUCCESSFUL)]


# ---------------------------------------------------------------------------------------- the page


def named() -> list[tuple[str, str]]:
    """Give the tests that the page names, by file."""
    rows = [line for line in PAGE.read_text().splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row.split("|")[1]) for row in rows] == [*range(1, 18), *range(1, 61)]
    found = [re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row) for row in rows]
    assert all(found), "each row names a test"
    return [each for row in found for each in row]


@pytest.mark.parametrize(("path", "test"), named())
def test_the_page_names_tests_that_there_are(path: str, test: str) -> None:
    assert f"\ndef {test}(" in (ROOT / path).read_text()
