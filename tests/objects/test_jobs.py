"""Notebooks and functions: what their stores take, refuse and give back."""

import json
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Any

import nbformat as untyped
import pytest

from alula.errors import InvalidNameError, KindError, NameNotFoundError, SealError
from alula.objects import Catalog, Catalogs, Jobs, Metadata, Mode, observing
from tests.objects.conftest import double
from tests.postgres import ON_BOTH

pytestmark = ON_BOTH

nbformat: Any = untyped
CODE = "x = 1\nprint(x)"


@pytest.fixture
def jobs(catalogs: Catalogs) -> Jobs:
    return catalogs.jobs


@pytest.fixture
def scripts(catalogs: Catalogs) -> Catalog:
    return catalogs.scripts


def test_code_becomes_a_notebook_of_one_cell(jobs: Jobs) -> None:
    made = jobs.create(CODE, "report")
    assert (made.name, made.prefix, made.kind) == ("report.ipynb", "jobs/", "script.ipynb")
    assert made.kind_meta == {"cells": 1, "kernel": "python3"}
    assert [cell.source for cell in jobs.get("report").cells] == [CODE]


def test_a_notebook_comes_back_as_it_was(jobs: Jobs) -> None:
    cells = [nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell(CODE)]
    notebook = nbformat.v4.new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "ir", "display_name": "R"}}
    )
    assert jobs.put(notebook, "a/b.ipynb").kind_meta == {"cells": 2, "kernel": "ir"}
    assert jobs.get("a/b") == notebook
    assert jobs.put(nbformat.writes(notebook), "text").name == "text.ipynb"
    assert jobs.get("text") == notebook


@pytest.mark.parametrize("name", ["report", "report.ipynb"])
def test_a_notebook_is_found_with_and_without_its_ending(jobs: Jobs, name: str) -> None:
    jobs.put(CODE, "report")
    jobs.put(CODE, "report.ipynb")
    assert jobs.exists(name)
    assert jobs.resolve(name).version == 2
    assert len(jobs.versions(name)) == 2
    assert jobs.list() == jobs.list(name) == ["report.ipynb"]
    assert jobs.annotate(name, {"a": 1}).attributes == {"a": 1}
    assert jobs.drop(name, report=True) == {"report.ipynb": True}
    with pytest.raises(NameNotFoundError, match=r"jobs/report\.ipynb does not exist"):
        jobs.load(name)


def test_a_result_may_be_named_after_its_time(jobs: Jobs) -> None:
    name = "results/report_2021-11-25 14:02:14.690974.ipynb"
    assert jobs.put(CODE, name).name == name


@pytest.mark.parametrize(
    "code", ["x = (1", '{"cells": 5}', '{"cells": [{"cell_type": "none"}], "nbformat": 4}']
)
def test_what_cannot_be_parsed_is_refused(jobs: Jobs, code: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be parsed|no notebook that can be run"):
        jobs.put(code, "broken")
    assert not jobs.exists("broken")


@pytest.mark.parametrize("code", ["%matplotlib inline\nx = 1", "!ls\nfiles = !ls", "{'a': 1}", "await f()"])
def test_code_may_be_of_ipythons_own(jobs: Jobs, code: str) -> None:
    jobs.put(code, "magic")
    assert jobs.get("magic").cells[0].source == code


@pytest.mark.parametrize("value", [5, None, [1], object()])
def test_other_types_are_no_notebooks(jobs: Jobs, value: Any) -> None:
    with pytest.raises(KindError, match=r"not supported in jobs; it takes script\.ipynb"):
        jobs.put(value, "n")


def test_a_notebook_is_kept_as_text_that_others_can_read(
    jobs: Jobs, artifacts: Callable[[], set[str]]
) -> None:
    jobs.put(CODE, "report")
    [digest] = artifacts()
    data = bytes(jobs._shelf.artifacts.get(digest))
    assert json.loads(data[64:])["nbformat"] == 4


def test_damaged_text_is_refused(jobs: Jobs, artifacts: Callable[[], set[str]]) -> None:
    jobs.put(CODE, "report")
    [digest] = artifacts()
    jobs._shelf.artifacts.get(digest)
    path = jobs._shelf.artifacts._root / digest[:2] / digest[2:]  # type: ignore[attr-defined]  # of a folder
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(SealError, match="signature does not match"):
        jobs.get("report")


def test_a_function_travels_with_its_code(scripts: Catalog, spawn: Callable[..., Any]) -> None:
    made = scripts.put(double, "double")
    assert (made.kind, made.kind_meta["function"]) == ("virtualobj.dill", "double")
    assert "return 2 * x" in made.kind_meta["source"]
    code = "print(catalogs.scripts.get('double')(None, 21))"
    assert spawn(code).communicate(timeout=150) == ("42\n", "")


def test_what_a_function_takes_along_is_said(scripts: Catalog) -> None:
    factor = 3

    def triple(om: Any, x: int) -> int:
        return factor * x

    with pytest.warns(UserWarning, match="takes along factor as they are now"):
        scripts.put(triple, "triple")
    assert scripts.get("triple")(None, 2) == 6


@pytest.mark.parametrize("value", [len, int, 5, "text"])
def test_other_types_are_no_scripts(scripts: Catalog, value: Any) -> None:
    with pytest.raises(KindError, match="not supported in scripts"):
        scripts.put(value, "s")


# -------------------------------------------------------------------------------------- observing


def test_whoever_observes_is_told_the_very_versions(catalogs: Catalogs) -> None:
    told: list[tuple[Mode, Metadata]] = []
    catalogs.datasets.put([0], "d")
    with observing(lambda mode, metadata: told.append((mode, metadata))):
        first = catalogs.datasets.put([1], "d")
        catalogs.datasets.get("d^")
        catalogs.datasets.metadata("d")
        catalogs.models.get("nope")
    catalogs.datasets.get("d")
    assert [(mode, m.name, m.version) for mode, m in told] == [("write", "d", 2), ("read", "d", 1)]
    assert told[0][1] == first


def test_several_may_observe_and_an_inner_one_ends_first(catalogs: Catalogs) -> None:
    outer: list[str] = []
    inner: list[str] = []
    with observing(lambda mode, _: outer.append(mode)):
        with observing(lambda mode, _: inner.append(mode)):
            catalogs.datasets.put([1], "d")
        catalogs.datasets.get("d")
    assert (outer, inner) == (["write", "read"], ["write"])


# --------------------------------------------------------------------------------------------- runs


def note_number(jobs: Jobs, number: int) -> Metadata:
    """Keep a result, and note it at the notebook beside those that are there."""

    def note(attributes: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        return {**attributes, "runs": [*attributes.get("runs", ()), [number, name]]}

    return jobs.conclude(jobs.get("report"), "report", 0.25, {"number": number}, note)


def test_runs_that_end_at_once_have_results_of_their_own_and_all_are_noted(jobs: Jobs) -> None:
    jobs.create(CODE, "report")
    made: list[Metadata] = []
    threads = [Thread(target=lambda i=i: made.append(note_number(jobs, i))) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = {f"results/report_1970-01-01 00:00:00.25000{i}.ipynb" for i in range(8)}
    assert {metadata.name for metadata in made} == names
    noted = jobs.resolve("report").attributes["runs"]
    assert sorted(number for number, _ in noted) == list(range(8))
    assert {name for _, name in noted} == names


def test_the_result_of_a_notebook_that_was_dropped_is_kept(jobs: Jobs) -> None:
    jobs.create(CODE, "report")
    notebook = jobs.get("report")
    jobs.drop("report")
    made = jobs.conclude(notebook, "report", 0.0, {}, lambda attributes, name: attributes)
    assert jobs.get(made.name) == notebook
    assert jobs.runs("report") == ()


def test_a_notebook_has_further_names_in_one_step(jobs: Jobs) -> None:
    jobs.create(CODE, "report")
    made = jobs.copy("report", {"tasks/a": {"n": 1}, "tasks/b": {"n": 2}})
    assert [(each.name, each.attributes["n"]) for each in made] == [
        ("tasks/a.ipynb", 1),
        ("tasks/b.ipynb", 2),
    ]
    jobs.drop("report")
    assert [cell.source for cell in jobs.get("tasks/a").cells] == [CODE]
    with pytest.raises(NameNotFoundError, match="jobs/report"):
        jobs.copy("report", {"tasks/c": {}})
    with pytest.raises(InvalidNameError):
        jobs.copy("tasks/a", {"fine": {}, "not@fine": {}})
    assert jobs.list() == ["tasks/a.ipynb", "tasks/b.ipynb"]


def test_attributes_are_changed_by_what_they_are(jobs: Jobs) -> None:
    jobs.put(CODE, "report", attributes={"n": 1})
    assert jobs.amend("report", lambda found: {"n": found["n"] + 1}).attributes == {"n": 2}
    with pytest.raises(TypeError, match="attributes must be JSON"):
        jobs.amend("report", lambda found: {"n": object()})
    with pytest.raises(NameNotFoundError):
        jobs.amend("other", lambda found: found)
    assert jobs.resolve("report").attributes == {"n": 2}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("keep", "is a dict, not 'keep'"),
        ({"keep_outputs": True}, "no option 'keep_outputs'.*did you mean 'keep_output'"),
        ({"ep_kwargs": {"timeouts": 5}}, "no ep_kwargs 'timeouts'.*did you mean 'timeout'"),
        ({"ep_kwargs": {"timeout": "5"}}, "ep_kwargs 'timeout' cannot be '5'"),
        ({"ep_kwargs": {"allow_errors": 1}}, "ep_kwargs 'allow_errors' cannot be 1"),
    ],
)
def test_how_a_notebook_wants_to_be_run_is_checked_when_it_is_put(jobs: Jobs, said: Any, why: str) -> None:
    notebook = nbformat.v4.new_notebook(metadata={"alula": said})
    with pytest.raises(ValueError, match=why):
        jobs.put(notebook, "report")
    notebook.metadata["alula"] = {"keep_output": True, "ep_kwargs": {"timeout": 5}}
    assert jobs.put(notebook, "report").kind_meta["ep_kwargs"] == {"timeout": 5}
