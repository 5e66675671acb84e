"""What people see of tasks: in a real kernel, in a terminal, and where there is neither."""

import io
from collections.abc import Callable
from typing import Any

import nbformat
import pytest
from rich.console import Console

import alula as om
from alula.errors import GetTimeoutError
from alula.runtime import Progress, _watching
from alula.runtime._watching import Line
from alula.testing import Turnstile
from tests.runtime.estimators import Echo, Seer

pytestmark = pytest.mark.usefixtures("engine")

ENOUGH = 50.0

v4: Any = nbformat.v4  # it has types for some of it

CELLS = (
    "import alula as om\nfrom sklearn.linear_model import LinearRegression as LR\n"
    "om.models.put(LR(), '<b>line</b>')",
    "result = om.runtime.model('<b>line</b>').fit([[1.0]], [2.0])\nresult.watch()",
    "result",
    "with om.runtime.parallel() as crt:\n    om.runtime.ping()\n    om.runtime.ping()\n"
    "group = crt.run()\ngroup.watch()",
    "group",
    "om.runtime.tasks()",
    "om.models.list(raw=True)",
    "om.models.versions('<b>line</b>')",
    "with om.runtime.experiment('seen') as exp:\n    exp.log_metric('acc', 1)\nexp",
    "om.status()",
    "@om.remote\ndef f():\n    return 7\nref = f.remote()\nassert await ref == 7\nref",
    "f.bind()",
    "from alula import workflow\nworkflow.run(f.bind(), workflow_id='<b>w</b>')\nworkflow.list_all()",
    "workflow.list_tasks('<b>w</b>')",
    "om.runtime.job('inner').map([1], retries=0)",
)
AWAITED = "(await result).version, len(await group), (await _)[0].name[:7]"


def test_a_kernel_is_shown_what_there_is_and_awaits_what_there_will_be() -> None:
    om.jobs.put("1", "inner")
    cells = [v4.new_code_cell(each) for each in (*CELLS, AWAITED)]
    om.jobs.put(v4.new_notebook(cells=cells), "shown")
    made = om.runtime.job("shown").run().get(ENOUGH)
    shown = [each for each in om.jobs.load(made.name).cells if each.cell_type == "code"]
    for cell in shown[:-1]:
        pages = [out.data.get("text/html", "") for out in cell.outputs if "data" in out]
        assert pages, cell.source
        assert all(0 < len(page) < 4000 and "<b>" not in page for page in pages), cell.source
    assert shown[-1].outputs[-1].data["text/plain"] == "(2, 2, 'results')"
    watched = shown[1].outputs[0].data
    assert "1 of 1 ended" in watched["text/html"]
    assert "&lt;b&gt;line&lt;/b&gt;" in shown[2].outputs[-1].data["text/html"]


def test_where_there_is_no_terminal_each_change_is_a_line(
    turnstile: Turnstile, capsys: pytest.CaptureFixture[str]
) -> None:
    om.models.put(Seer(turnstile), "seer")
    result = om.runtime.model("seer").predict([[1.0]])
    turnstile.arrived()
    with pytest.raises(GetTimeoutError, match="1 of 1 tasks"):
        result.watch(timeout=0.1)
    turnstile.let()
    result.watch(ENOUGH)
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("predict seer  ")
    assert "1/4 a quarter" in said[0] + said[1]
    assert said[-1] == "predict seer  SUCCESS  3/4"


def test_a_failure_is_no_reason_to_stop_watching_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    om.models.put(Echo(), "echo")
    with om.runtime.parallel() as crt:
        crt.model("echo").predict([[1.0]], fail=True)
        crt.model("echo").predict([[2.0]])
        group = crt.run()
    group.watch(ENOUGH)
    assert sorted(line for line in capsys.readouterr().err.splitlines() if line.endswith(("SS", "RE"))) == [
        *("predict echo  FAILURE", "predict echo  SUCCESS")
    ]


def line(n: int, status: str, progress: Progress | None = None) -> Line:
    return Line(id=f"{n}", title=f"fit [bold]{n}", status=status, progress=progress, since=float(n))


def drawn(lines: list[Line]) -> str:
    file = io.StringIO()
    with _watching._live(Console(file=file, force_terminal=True, width=80, no_color=True)) as show:
        show(lines)
    return file.getvalue()


class Told:
    """A task that ends when it is told to, and counts who looks at it."""

    title, progress = "told", None

    def __init__(self, n: int) -> None:
        self.id, self.looks, self.over = f"{n}", 0, False

    @property
    def status(self) -> str:
        self.looks += 1
        return "SUCCESS" if self.over else "STARTED"

    def when_done(self, tell: Callable[[Any], object]) -> None:
        self.tell = tell

    def end(self) -> None:
        self.over = True
        self.tell(self)


def test_of_very_many_only_the_first_that_have_not_ended_are_looked_at() -> None:
    tasks = [Told(n) for n in range(1000)]
    looks = _watching._Looks(tasks)
    assert len(looks.lines()) == 1000
    assert sum(task.looks for task in tasks) == 20
    for task in tasks[:990]:
        task.end()
    looks.wait()
    assert looks.left == 10
    assert [line.status for line in looks.lines()] == ["SUCCESS"] * 990 + ["STARTED"] * 10
    assert sum(task.looks for task in tasks) == 20 + 990 + 10


def test_in_a_terminal_each_task_has_a_line_and_all_have_a_sum() -> None:
    text = drawn([line(1, "STARTED", Progress(1, 4, "x")), line(2, "FAILURE"), line(3, "PENDING")])
    assert "● STARTED" in text
    assert "fit [bold]1" in text
    assert "1/4 x" in text
    assert "1 of 3 ended, 1 failed" in text


def test_of_many_those_are_shown_that_run_or_failed() -> None:
    many = [line(n, "SUCCESS") for n in range(100)] + [line(100, "FAILURE"), line(101, "STARTED")]
    text = drawn(many)
    assert "fit [bold]100" in text
    assert "fit [bold]101" in text
    assert text.count("SUCCESS") < 60
    assert "101 of 102 ended, 1 failed" in text
