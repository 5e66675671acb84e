"""The snippets of the founding page, run as they are printed; what they mean is asserted after each."""

import re
import textwrap
from typing import Any

import pytest

import alula as om
from alula.runtime import AsyncResult, GroupResult

pytestmark = pytest.mark.usefixtures("engine", "line")

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
RESULT = (
    r"<Metadata: Metadata\(name=results/myjob\d_\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\.ipynb,bucket=omegaml,"
    r"prefix=jobs/,kind=script\.ipynb,created=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\)>"
)

FIT = """
# mymodel is a fitted model, newdata the name of a dataset
result = om.runtime.model('mymodel').fit('data-X', 'data-Y')
result.get()
"""
LOOP = """
results = []
for i in range(5):
    result = om.runtime.job(f'myjob{i}').run(i)
    results.append(result)
while not done:
    done = all(r.status == 'SUCCESS' for r in results)
print(results)
"""
BLOCK = """
with om.runtime.{combination}() as crt:
    for i in range(5):
        om.runtime.job(f'myjob{{i}}').run(i)
    result = crt.run()
"""


def run(snippet: str, **known: Any) -> dict[str, Any]:
    """Run a snippet as it is printed, and give what it has named."""
    names = {"om": om, **known}
    exec(compile(textwrap.dedent(snippet), "<page>", "exec"), names)
    return names


@pytest.fixture
def fitted(line: None) -> None:
    om.runtime.model("mymodel").fit("data-X", "data-Y").get()


@pytest.fixture
def jobs() -> None:
    """Five notebooks, each of which notes what it is called with."""
    for i in range(5):
        om.jobs.create("import builtins\nseen = (param, globals().get('previous'))\nseen", f"myjob{i}")


def test_s1_a_model_is_fitted_by_name() -> None:
    result = run(FIT)["result"]
    assert re.fullmatch(
        r"<Metadata: Metadata\(name=mymodel,bucket=omegaml,prefix=models/,.*\)>", str(repr(result.get()))
    )
    assert om.models.get("mymodel").coef_.ravel()[0] == pytest.approx(2)


def test_s2_all_three_take_positional_and_keyword_arguments() -> None:
    def myscript(om: Any, *args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    om.scripts.put(myscript, "myscript")
    given: dict[str, Any] = {"args": ("data-X", "data-Y"), "kwargs": {"sample_weight": [1.0] * 4}}
    named = run("result = om.runtime.model('mymodel').fit(*args, **kwargs)", **given)
    assert named["result"].get().version == 2
    given = {"args": (1, 2), "kwargs": {"three": 3}}
    named = run("result = om.runtime.script('myscript').run(*args, **kwargs)", **given)
    assert named["result"].get() == ((1, 2), {"three": 3})


def test_s3_labels_are_told_by_worker() -> None:
    om.runtime.ping()
    [(worker, labels)] = om.runtime.labels().items()
    assert re.fullmatch(r"alula@\S+", worker)
    assert labels == ["default"]


def test_s4_a_label_is_required_of_the_next_call_alone() -> None:
    with pytest.warns(UserWarning, match="gpu"):
        named = run("result = om.runtime.require('gpu').model('mymodel').fit('data-X', 'data-Y')")
    assert named["result"].status == "PENDING"
    named["result"].revoke()
    assert om.runtime.model("mymodel").fit("data-X", "data-Y").get().version == 2


@pytest.mark.usefixtures("fitted")
def test_s5_to_s7_a_prediction_is_asked_for_looked_at_and_taken() -> None:
    named = run("result = om.runtime.model('mymodel').predict('new-X')\nshown = repr(result)")
    result = named["result"]
    assert type(result) is AsyncResult
    assert re.fullmatch(f"<AsyncResult: {UUID}>", named["shown"])
    assert result.status in ("PENDING", "STARTED", "SUCCESS")
    assert [round(value) for value in result.get().ravel()] == [5, 10, 11, 15]
    assert result.status == "SUCCESS"


@pytest.mark.usefixtures("jobs")
class TestNotebooks:
    """S8 to S11."""

    def test_s8_a_loop_polls_until_all_have_succeeded(self, capsys: pytest.CaptureFixture[str]) -> None:
        named = run(LOOP, done=False)
        assert len(re.findall(f"<AsyncResult: {UUID}>", capsys.readouterr().out)) == 5
        assert all(re.fullmatch(RESULT, repr(result.get())) for result in named["results"])

    def test_s9_a_sequence_forwards_each_result(self) -> None:
        result = run(BLOCK.format(combination="sequence"))["result"]
        assert all(re.fullmatch(RESULT, repr(value)) for value in result.getall())
        assert "myjob0" in str(result.getall()[0])
        assert result.get() == repr(result.getall()[-1])  # it equals the line that it prints as

    def test_s10_a_parallel_gives_five(self) -> None:
        result = run(BLOCK.format(combination="parallel"))["result"]
        names = [value.name for value in result.getall()]
        assert [name.partition("_")[0] for name in names] == [f"results/myjob{i}" for i in range(5)]

    def test_s11_a_mapreduce_collects_a_result_and_a_group(self) -> None:
        result = run(BLOCK.format(combination="mapreduce"))["result"]
        result.get()
        collected = result.collect()
        shown = {repr(each) for each in collected}
        assert {type(each) for each in collected} == {AsyncResult, GroupResult}
        assert any(re.fullmatch(rf"<GroupResult: {UUID} \[{UUID}(, {UUID}){{3}}\]>", each) for each in shown)
        assert any(re.fullmatch(f"<AsyncResult: {UUID}>", each) for each in shown)
