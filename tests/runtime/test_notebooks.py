"""Notebooks in real kernels: what they are given, what is kept, and how they end."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

import alula as om
from alula._core._settings import Settings
from alula.errors import NameNotFoundError, NotebookError
from alula.objects import Metadata
from alula.runtime import default
from alula.runtime._notebooks._execution import LIMIT
from alula.runtime._notebooks._running import NotebookRun, run_notebook
from tests.faults.processes import eventually
from tests.runtime.conftest import Child

pytestmark = pytest.mark.usefixtures("engine")

ENOUGH = 50.0

v4: Any = nbformat.v4  # it has types for some of it


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A pipe into which a kernel writes, and whose end tells that the kernel is gone."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def code(*sources: str, kernel: str = "", **metadata: Any) -> Any:
    """Make a notebook of cells of code."""
    facts = {"kernelspec": {"name": kernel, "display_name": kernel}} if kernel else {}
    return v4.new_notebook(cells=[v4.new_code_cell(source) for source in sources], metadata=facts | metadata)


def run(name: str, *args: Any, **kwargs: Any) -> Metadata:
    return om.runtime.job(name).run(*args, **kwargs).get(ENOUGH)


def shown(metadata: Metadata) -> str:
    """Give all that the cells of a notebook printed."""
    cells = om.jobs.load(metadata.name).cells
    return "".join(out.get("text", "") for cell in cells for out in cell.get("outputs", ()))


def held(fifo: Path) -> str:
    """Code that says who it is, and never ends."""
    return (
        f"import os, time\npipe = open({str(fifo)!r}, 'w')\nprint(os.getpid(), file=pipe, flush=True)\n"
        + ("print('before', flush=True)\nwhile True:\n    time.sleep(60)")
    )


# ------------------------------------------------------------------------------------------- running


def test_s2_a_run_keeps_the_notebook_with_its_outputs() -> None:
    om.jobs.create("print('hello')\n6 * 7", "report")
    result = om.runtime.job("report").run()
    metadata = result.get(ENOUGH)
    assert re.fullmatch(r"results/report_\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\.ipynb", metadata.name)
    assert repr(metadata).startswith(f"<Metadata: Metadata(name={metadata.name},bucket=omegaml,prefix=jobs/,")
    assert (metadata.kind, metadata.attributes["source_job"]) == ("script.ipynb", "report.ipynb")
    [cell] = om.jobs.get(metadata.name).cells
    assert [out.output_type for out in cell.outputs] == ["stream", "execute_result"]
    assert cell.outputs[1].data["text/plain"] == "42"
    assert result.status == "SUCCESS"


def test_a_run_is_noted_at_the_notebook() -> None:
    om.jobs.create("pass", "report")
    result = om.runtime.job("report").run(7, x="y")
    name = result.get(ENOUGH).name
    attributes = om.jobs.resolve("report").attributes
    [noted] = attributes["job_runs"]
    assert attributes["job_results"] == [name] == [noted["results"]]
    assert (noted["status"], noted["message"], noted["task_id"]) == ("OK", "", result.id)
    assert noted["params"] == {"args": [7], "kwargs": {"x": "y"}}
    assert (attributes["state"], attributes["last_run_time"]) == ("SUCCESS", noted["ts"])


def test_parameters_stand_in_a_cell_of_their_own_behind_the_defaults() -> None:
    notebook = code("x = 1\ny = 2", "print(x, y, args, kwargs, param, job['param'])")
    notebook.cells[0].metadata["tags"] = ["parameters"]
    om.jobs.put(notebook, "report")
    metadata = run("report", {"a": [None, True, float("inf")]}, x="both")
    assert shown(metadata) == (
        "both 2 [{'a': [None, True, inf]}] {'x': 'both'} {'a': [None, True, inf]} {'a': [None, True, inf]}\n"
    )
    cells = om.jobs.get(metadata.name).cells
    assert [cell.metadata.get("tags") for cell in cells] == [["parameters"], ["injected-parameters"], None]


def test_without_parameters_there_is_no_such_cell_but_the_variables_are_empty() -> None:
    om.jobs.create("print(args, kwargs, globals().get('job', 'default'))", "report")
    metadata = run("report")
    assert len(om.jobs.get(metadata.name).cells) == 1
    assert shown(metadata) == "[] {} default\n"


def test_each_run_has_a_kernel_that_has_never_run_anything() -> None:
    om.jobs.create(
        "import os\nprint('seen' in globals(), 'SEEN' in os.environ)\nseen = os.environ['SEEN'] = '1'", "n"
    )
    assert [shown(run("n")) for _ in range(3)] == ["False False\n"] * 3


def test_outputs_of_before_are_cleared_unless_the_notebook_keeps_them() -> None:
    for name, keep in (("cleared", False), ("kept", True)):
        notebook = code("pass", alula={"keep_output": keep})
        notebook.cells.append(v4.new_raw_cell("raw"))
        notebook.cells[0].metadata["tags"] = ["skip-execution"]
        notebook.cells[0].outputs = [v4.new_output("stream", name="stdout", text="old")]
        om.jobs.put(notebook, name)
    assert [shown(run(name)) for name in ("cleared", "kept")] == ["", "old"]


def test_alula_in_the_kernel_is_that_of_the_task() -> None:
    other = default()["mine"]
    source = (
        "import os\nimport alula as om\nom.datasets.put([os.environ['ALULA_TASK'], om.bucket().bucket], 'd')"
    )
    other.jobs.create(source, "inside")
    result = other.runtime.job("inside").run()
    result.get(ENOUGH)
    assert other.datasets.get("d") == [result.id, "mine"]
    assert om.datasets.list() == []


def test_progress_goes_by_cells() -> None:
    om.jobs.put(code("1", "2", "3"), "report")
    result = om.runtime.job("report").run()
    result.get(ENOUGH)
    assert result.progress is not None
    assert (result.progress.done, result.progress.total) == (3, 3)


def test_s8_each_of_five_jobs_sees_its_number() -> None:
    for i in range(3):
        om.jobs.create("print(job['param'])", f"myjob{i}")
    results = [om.runtime.job(f"myjob{i}").run(i) for i in range(3)]
    done = False
    while not done:
        done = all(r.status == "SUCCESS" for r in results)
    assert [shown(r.get()) for r in results] == ["0\n", "1\n", "2\n"]


# ------------------------------------------------------------------------------------------- failing


def test_a_notebook_that_raises_fails_and_keeps_what_it_has_shown() -> None:
    om.jobs.put(code("print('first')", "print('second')\n1 / 0", "print('never')"), "bad")
    result = om.runtime.job("bad").run(5)
    with pytest.raises(
        NotebookError, match=r"jobs/bad.ipynb failed in cell 2: ZeroDivisionError: division"
    ) as caught:
        result.get(ENOUGH)
    error = caught.value
    assert (error.cell, error.ename, error.evalue) == (2, "ZeroDivisionError", "division by zero")
    assert result.status == "FAILURE"
    assert shown(error.metadata) == "first\nsecond\n"
    [noted] = om.jobs.resolve("bad").attributes["job_runs"]
    assert (noted["status"], noted["results"]) == ("ERROR", error.metadata.name)
    assert noted["message"] == "ZeroDivisionError: division by zero"
    assert om.jobs.resolve("bad").attributes["state"] == "FAILURE"


def test_of_a_long_error_both_ends_are_noted() -> None:
    om.jobs.create("raise ValueError('a' * 200 + 'b' * 200)", "bad")
    with pytest.raises(NotebookError):
        run("bad")
    [noted] = om.jobs.resolve("bad").attributes["job_runs"]
    assert noted["message"] == f"{'ValueError: ' + 'a' * 68}...{'b' * 80}"


def test_a_cell_that_takes_too_long_is_ended_and_named(fifo: Path) -> None:
    om.jobs.put(code("pass", "while True: pass"), "endless")
    with pytest.raises(NotebookError, match=r"cell 2: CellTimeoutError: it took longer than 0\.3") as caught:
        run("endless", timeout=0.3)
    last = om.jobs.get(caught.value.metadata.name).cells[1].outputs[-1]
    assert (last.output_type, last.ename) == ("error", "CellTimeoutError")


def test_a_notebook_may_say_how_long_its_cells_may_take() -> None:
    om.jobs.put(code("while True: pass", alula={"ep_kwargs": {"timeout": 0.3}}), "endless")
    assert om.jobs.resolve("endless").kind_meta["ep_kwargs"] == {"timeout": 0.3}
    with pytest.raises(NotebookError, match=r"longer than 0\.3 s"):
        run("endless")


def test_a_kernel_that_is_not_there_is_named_with_the_way_to_install_it() -> None:
    om.jobs.put(code("1", kernel="nope"), "report")
    with pytest.raises(NotebookError, match=r"'nope' is not installed; .*ipykernel install --user") as caught:
        run("report")
    assert caught.value.cell is None
    assert om.jobs.get(caught.value.metadata.name).cells[0].source == "1"


def test_a_cell_may_end_its_kernel() -> None:
    om.jobs.create("print('last', flush=True)\nimport os\nos._exit(3)", "dead")
    with pytest.raises(NotebookError, match="cell 1: DeadKernelError"):
        run("dead")


def test_a_revoked_task_ends_its_cell_and_keeps_what_it_has_shown(fifo: Path) -> None:
    om.jobs.create(held(fifo), "endless")
    result = om.runtime.job("endless").run()
    with fifo.open() as pipe:
        assert int(pipe.readline())
        result.revoke()
        assert pipe.read() == ""  # the kernel is gone
    assert result.status == "REVOKED"


def test_a_killed_worker_takes_its_kernels_with_it_and_the_notebook_runs_again(fifo: Path) -> None:
    om.jobs.create(held(fifo), "endless")
    result = om.runtime.job("endless").run()
    with fifo.open() as pipe:
        first = int(pipe.readline())
        [facts] = om.runtime.status().values()
        [worker] = facts["processes"]
        os.kill(worker, signal.SIGKILL)
        assert pipe.read() == ""
    with fifo.open() as pipe:
        assert int(pipe.readline()) != first
        result.revoke()
        assert pipe.read() == ""


def test_a_worker_that_is_killed_after_a_run_was_stored_is_no_reason_to_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spawn: Callable[..., Child]
) -> None:
    (tmp_path / "once").touch()
    monkeypatch.setenv("ALULA_FAULTS", f"task.finished=kill@1:{tmp_path / 'once'}")
    om.jobs.create("print('ran')", "report")
    child = spawn("print(om.runtime.job('report').run().get().name)")
    out, err = child.communicate(timeout=ENOUGH)
    assert child.returncode == 0, err
    assert not (tmp_path / "once").exists()
    [noted] = om.jobs.resolve("report").attributes["job_runs"]
    assert out.strip() == noted["results"]
    assert len(om.jobs.list("results/*")) == 1


# ------------------------------------------------------------------------------------- here and now


@pytest.fixture
def here(home: Path) -> Callable[..., Metadata]:
    """Run notebooks in this process."""

    def run_here(name: str, **given: Any) -> Metadata:
        return run_notebook(om.jobs, NotebookRun(job=name, settings=Settings.load(), **given))

    return run_here


def test_a_hundred_megabytes_of_output_are_bounded(here: Callable[..., Metadata]) -> None:
    om.jobs.create("for _ in range(100):\n    print('x' * 1_000_000)\n'the end'", "loud")
    metadata = here("loud")
    [cell] = om.jobs.get(metadata.name).cells
    assert sum(len(out.get("text", "")) for out in cell.outputs) < LIMIT + 1000
    assert (
        cell.outputs[-1].text
        == "\n[Alula keeps 20 MB of output of a notebook, which ends here: the rest is left out]\n"
    )


def test_a_second_attempt_finds_what_the_first_has_stored(here: Callable[..., Metadata]) -> None:
    om.jobs.create("pass", "report")
    first = here("report", task="t")
    assert here("report", task="t", attempt=2) == first
    assert here("report", task="u", attempt=2) != first
    assert len(om.jobs.list("results/*")) == 2


def test_an_earlier_version_runs_by_its_name() -> None:
    om.jobs.create("print('old')", "report")
    om.jobs.create("print('new')", "report")
    metadata = om.jobs.run("report^")
    assert shown(metadata) == "old\n"
    assert metadata.name.startswith("results/report_")
    [noted] = om.jobs.resolve("report").attributes["job_runs"]
    assert noted["version"] == 1


def test_a_notebook_may_be_run_here_and_now() -> None:
    om.jobs.create("print(param, x)", "report")
    assert shown(om.jobs.run("report", 1, x=2)) == "1 2\n"
    om.jobs.create("1 / 0", "bad")
    with pytest.raises(NotebookError, match="ZeroDivisionError"):
        om.jobs.run("bad")
    with pytest.raises(NameNotFoundError):
        om.jobs.run("nope")
    with pytest.raises(TypeError, match="argument 0 is of object"):
        om.jobs.run("report", object())


def test_what_a_cell_prints_is_in_the_log_while_it_runs(fifo: Path) -> None:
    om.jobs.put(code(f"print('so far', flush=True)\nopen({str(fifo)!r}).read()"), "report")
    result = om.runtime.require(logging=True).job("report").run()
    assert eventually(lambda: [record.msg for record in result.logs()] == ["so far"])
    assert not result.ready()
    fifo.open("w").close()
    result.get(ENOUGH)
    assert [record.msg for record in result.logs()] == ["so far"]


def test_secrets_among_parameters_are_given_and_not_shown() -> None:
    om.logger.mask(r"sk-\w+")
    om.jobs.put(
        code("assert password == 'hush' and args == ['sk-123']\nraise ValueError('with sk-123')"), "report"
    )
    with pytest.raises(NotebookError, match="with sk-123") as raised:
        om.runtime.job("report").run("sk-123", password="hush").get(ENOUGH)
    assert raised.value.metadata is not None
    [noted] = om.jobs.resolve("report").attributes["job_runs"]
    assert noted["params"] == {"args": ["***"], "kwargs": {"password": "***"}}
    assert noted["message"] == "ValueError: with ***"
    assert "hush" not in om.jobs.load(raised.value.metadata.name).cells[0].source


def test_a_pdf_is_refused_where_its_programs_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    om.jobs.put(code("1"), "report")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match=r"pandoc and xelatex is not here.*'html'"):
        om.jobs.export("report", "memory", "pdf")


def test_a_notebook_is_exported_for_people_to_read(tmp_path: Path) -> None:
    notebook = code("print('said')")
    notebook.cells[0].outputs = [v4.new_output("stream", name="stdout", text="shown <here>")]
    om.jobs.put(notebook, "folder/report")
    page = om.jobs.export("folder/report", "memory")
    assert page.startswith("<!DOCTYPE html>")
    assert "shown &lt;here&gt;" in page
    assert "<html" not in om.jobs.export("folder/report", "memory", format="htmlbody")
    assert "reveal" in om.jobs.export("folder/report", "memory", "slides")
    assert om.jobs.export("folder/report", tmp_path) == tmp_path / "folder_report.html"
    assert om.jobs.export("folder/report", tmp_path / "a.html").read_text() == page
    with pytest.raises(ValueError, match=r"no format 'htm'.*did you mean 'html'"):
        om.jobs.export("folder/report", "memory", "htm")
    with pytest.raises(NameNotFoundError):
        om.jobs.export("nope", "memory")


# ------------------------------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "said"),
    [
        ((object(),), {}, TypeError, "argument 0 is of object"),
        ((1, [{"a": {1, 2}}]), {}, TypeError, r"argument 1\[0\]\['a'\] is of set"),
        (({1: 2},), {}, TypeError, "the keys of a dict are text"),
        ((), {"x": b""}, TypeError, "x is of bytes"),
        ((), {"not a name": 1}, ValueError, "'not a name' cannot be the name of a variable"),
        ((), {"class": 1}, ValueError, "'class' cannot be"),
        ((), {"args": 1}, ValueError, "'args' is what the runtime itself tells"),
        ((), {"timeout": "5"}, TypeError, "timeout is a number of seconds"),
        ((), {"timeout": 0}, ValueError, "timeout is more than 0"),
    ],
)
def test_what_no_notebook_takes_is_refused_at_once(
    args: Any, kwargs: Any, error: type[Exception], said: str
) -> None:
    om.jobs.create("pass", "report")
    with pytest.raises(error, match=said):
        om.runtime.job("report").run(*args, **kwargs)


def test_an_unknown_notebook_is_not_found_at_once() -> None:
    om.jobs.create("pass", "report")
    with pytest.raises(NameNotFoundError, match=r"jobs/repot.*did you mean 'jobs/report.ipynb'"):
        om.runtime.job("repot")
    with pytest.raises(AssertionError):
        om.runtime.job("nope")


def test_what_a_notebook_does_not_have_says_what_it_has() -> None:
    om.jobs.create("pass", "report")
    with pytest.raises(AttributeError, match="has no 'runn'; did you mean 'run'"):
        om.runtime.job("report").runn()  # type: ignore[attr-defined]  # that is the point


# ----------------------------------------------------------------------------------------- combined


def test_s9_in_a_sequence_each_notebook_finds_what_the_one_before_has_made() -> None:
    for i in range(2):
        om.jobs.create("print(job['param'], globals().get('previous'))", f"myjob{i}")
    with om.runtime.sequence() as crt:
        for i in range(2):
            om.runtime.job(f"myjob{i}").run(i)
        result = crt.run()
    first, second = result.getall()
    assert (shown(first), shown(second)) == ("0 None\n", f"1 {first.name}\n")


def test_s11_the_last_of_a_mapreduce_finds_what_all_others_have_made() -> None:
    om.jobs.create("print(results if 'results' in globals() else job['param'])", "myjob")
    with om.runtime.mapreduce() as crt:
        for i in range(3):
            om.runtime.job("myjob").run(i)
        result = crt.run()
    *parts, last = result.getall()
    assert [shown(part) for part in parts] == ["0\n", "1\n"]
    assert shown(last) == f"{[part.name for part in parts]}\n"
