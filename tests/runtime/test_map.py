"""One notebook for many elements: each once, again by itself when it fails, never when it has not."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import alula as om
from alula.errors import NotebookError
from alula.objects import Metadata
from tests.runtime.conftest import Child

pytestmark = pytest.mark.usefixtures("engine")

ENOUGH = 50.0


def shown(metadata: Metadata) -> str:
    cells = om.jobs.load(metadata.name).cells
    return "".join(out.get("text", "") for cell in cells for out in cell.get("outputs", ()))


def counting(folder: Path, then: str = "") -> str:
    """Code that notes its element in a folder, once for each run."""
    return (
        f"import os, tempfile\nos.makedirs({str(folder)!r}, exist_ok=True)\n"
        f"tempfile.mkstemp(prefix=f\"{{job['param']}}-\", dir={str(folder)!r})\n{then}"
    )


def counts(folder: Path) -> dict[str, int]:
    """Count how often each element ran."""
    names = [path.name.partition("-")[0] for path in folder.iterdir()]
    return {name: names.count(name) for name in sorted(set(names))}


def test_each_element_has_a_run_and_results_come_in_their_order() -> None:
    om.jobs.create("print(param, job['param'], globals().get('job', 'default'))", "part")
    mapped = om.runtime.job("part").map(iter(["a", {"b": [1]}]))
    results = mapped.get(ENOUGH)
    assert [shown(result).partition(" ")[0] for result in results] == ["a", "{'b':"]
    assert [result.attributes["source_job"] for result in results] == ["part.ipynb"] * 2
    assert {result.get() for result in mapped.as_completed()} == set(results)
    first, second = mapped
    assert first.name == f"tasks/part/{mapped.task_group}-0.ipynb"
    job = second.attributes["job"]
    assert (job["param"], job["job_id"], job["task_group"]) == ({"b": [1]}, "1", mapped.task_group)
    assert [part.name for part in om.runtime.job("part").list()] == [first.name, second.name]
    table = om.runtime.job("part").status()
    assert list(table.columns) == ["name", "task_id", "status", "run_status", "attempts"]
    assert table["status"].tolist() == ["SUCCESS"] * 2
    assert table["run_status"].tolist() == ["OK"] * 2


def test_what_fails_is_run_again_by_itself_and_what_does_not_is_not(tmp_path: Path) -> None:
    once = f"import os, pathlib\nflag = pathlib.Path({str(tmp_path / 'flag')!r})\n" + (
        "if param == 1 and not flag.exists():\n    flag.touch()\n    raise ValueError('the first time')"
    )
    om.jobs.create(counting(tmp_path / "runs", once), "part")
    mapped = om.runtime.job("part").map(range(2), retries=1, backoff=0)
    assert len(mapped.get(ENOUGH)) == 2
    assert counts(tmp_path / "runs") == {"0": 1, "1": 2}
    assert mapped.status()["attempts"].tolist() == [1, 2]
    part = om.jobs.resolve(mapped[1].name)
    assert [run["status"] for run in part.attributes["job_runs"]] == ["ERROR", "OK"]
    assert part.attributes["job"]["status"] == "finished"


def test_a_worker_that_is_killed_is_no_end(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    held = f"if param == 'held' and not os.path.exists({str(tmp_path / 'flag')!r}):\n" + (
        f"    open({str(tmp_path / 'flag')!r}, 'w').close()\n    pipe = open({str(fifo)!r}, 'w')\n"
        "    pipe.write('here\\n')\n    pipe.flush()\n    import time\n    time.sleep(60)"
    )
    om.jobs.create(counting(tmp_path / "runs", held), "part")
    mapped = om.runtime.job("part").map(["held", "free"], backoff=0)
    with fifo.open() as pipe:
        assert pipe.readline() == "here\n"
        mapped.results[1].get(ENOUGH)
        [facts] = om.runtime.status().values()
        [worker] = facts["processes"]
        os.kill(worker, signal.SIGKILL)
        assert pipe.read() == ""
    assert len(mapped.get(ENOUGH)) == 2
    assert counts(tmp_path / "runs") == {"free": 1, "held": 2}


def test_what_has_failed_is_restarted_with_the_notebook_as_it_is_then(
    tmp_path: Path,
) -> None:
    om.jobs.create(counting(tmp_path / "runs", "if param: raise ValueError(param)"), "part")
    mapped = om.runtime.job("part").map([0, 1, 2], retries=0, task_group="g")
    with pytest.raises(NotebookError, match="ValueError: 1"):
        mapped.get(ENOUGH)
    assert mapped.status()["status"].tolist() == ["SUCCESS", "FAILURE", "FAILURE"]
    assert mapped.status()["run_status"].tolist() == ["OK", "ERROR", "ERROR"]
    om.jobs.create(counting(tmp_path / "runs"), "part")
    assert len(om.runtime.job("part").restart().get(ENOUGH)) == 3
    assert counts(tmp_path / "runs") == {"0": 1, "1": 2, "2": 2}
    again = om.runtime.job("part").map([0, 1, 2, 3], task_group="g")
    assert len(again.get(ENOUGH)) == 4
    assert counts(tmp_path / "runs") == {"0": 1, "1": 2, "2": 2, "3": 1}
    assert again.restart(reset=True).get(ENOUGH)
    assert counts(tmp_path / "runs") == {"0": 2, "1": 3, "2": 3, "3": 2}


def test_a_client_that_dies_between_loses_nothing(spawn: Callable[..., Child]) -> None:
    om.jobs.create("print(param)", "part")
    child = spawn(
        """
        from alula.runtime._tasks import Tasks
        import os
        Tasks.combine = lambda *args, **given: os._exit(3)  # the parts are stored, and no task is submitted
        om.runtime.job("part").map(["x"], task_group="g")
        """
    )
    assert child.wait(150) == 3
    assert om.runtime.job("part").status("g")["status"].tolist() == ["UNKNOWN"]
    [result] = om.runtime.job("part").restart("g").get(ENOUGH)
    assert shown(result) == "x\n"


def test_nothing_to_map_is_an_empty_group() -> None:
    om.jobs.create("pass", "part")
    mapped = om.runtime.job("part").map([])
    assert (mapped.get(), list(mapped), len(mapped), mapped.ready()) == ([], [], 0, True)
    assert mapped.status().empty


@pytest.mark.parametrize(
    ("args", "given", "error", "said"),
    [
        ((5,), {}, TypeError, "map.. takes an iterable of elements, not int"),
        (([1, object()],), {}, TypeError, "element 1 is of object"),
        (([1, 2],), {"job_ids": ["a"]}, ValueError, "2 elements, and 1 job_ids"),
        (([1, 2],), {"job_ids": ["a", "a"]}, ValueError, "'a' is there twice"),
        (([1],), {"task_group": "a@b"}, ValueError, "'@' has a meaning"),
        (([1],), {"retries": "many"}, TypeError, "max_retries"),
        (([1],), {"timeout": -1}, ValueError, "timeout is more than 0"),
    ],
)
def test_what_cannot_be_mapped_is_refused_before_any_task(
    args: Any, given: Any, error: type[Exception], said: str
) -> None:
    om.jobs.create("pass", "part")
    with pytest.raises(error, match=said):
        om.runtime.job("part").map(*args, **given)
    assert om.runtime.job("part").list() == []


def test_a_group_keeps_its_elements() -> None:
    om.jobs.create("pass", "part")
    job = om.runtime.job("part")
    job.map([1], task_group="g", job_ids=["x"]).get(ENOUGH)
    with pytest.raises(ValueError, match="the group 'g' has another element 'x', 1"):
        job.map([2], task_group="g", job_ids=["x"])
    with pytest.raises(ValueError, match="was not mapped as 'other'"):
        job.restart("other")
    with pytest.raises(ValueError, match=r"map\(\) cannot be a part"), om.runtime.parallel():
        job.map([1])
