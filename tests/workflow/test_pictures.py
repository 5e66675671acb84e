import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import alula
from alula import workflow
from alula.errors import WorkflowExecutionError, WorkflowNotFoundError
from alula.workflow import Picture
from alula.workflow._pictures import duration
from tests.postgres import ON_BOTH
from tests.workflow.bodies import Tally, add, countdown, fail_first, fail_unless, fib, noted

pytestmark = ON_BOTH

SVG = "{http://www.w3.org/2000/svg}"
LOOSE = workflow.options(checkpoint=False)
TIMES = "\N{MULTIPLICATION SIGN}"


@alula.remote
def down(n: int) -> Any:
    link = down.options(**workflow.options(allow_inplace=True))
    return workflow.continuation(link.bind(n - 1)) if n else "end"


def boxes(picture: Picture) -> dict[str, tuple[str, str]]:
    """Give classes and note of each node by its label."""
    found = {}
    for group in ElementTree.fromstring(picture.svg).iter(f"{SVG}g"):
        label, *note = [text.text or "" for text in group.iter(f"{SVG}text")]
        kinds = [rect.attrib["class"] for rect in group.iter(f"{SVG}rect")]
        found[label] = (kinds[0] if kinds else "", note[0] if note else "")
    return found


def states(picture: Picture) -> dict[str, str]:
    return {label: kind for label, (kind, _) in boxes(picture).items()}


def test_each_task_is_shown_with_its_duration_and_attempts(tally: Tally) -> None:
    again = fail_first.options(max_retries=3, retry_exceptions=True).bind(tally, 2)
    kept = add.options(**LOOSE).bind(again, 1)
    assert workflow.run(add.bind(kept, fib.bind(1)), workflow_id="w") == 5
    picture = workflow.draw("w")
    assert states(picture) == {"fail_first": "done", "~add~": "volatile done", "fib": "done", "add_1": "done"}
    time = r"[0-9.]+ (µs|ms|s)"
    assert re.fullmatch(rf"{time} · 3 attempts · after ValueError", boxes(picture)["fail_first"][1])
    assert re.fullmatch(time, boxes(picture)["add_1"][1])
    assert "w · successful · " in picture.svg


def test_what_tasks_have_made_is_drawn_and_read_at_its_end() -> None:
    workflow.run(add.bind(fib.bind(2), fib.bind(1)), workflow_id="w")
    picture = workflow.draw("w")
    assert {label.split("_")[0] for label in boxes(picture)} == {"add", "fib"}
    assert len(boxes(picture)) == 6
    assert picture.svg.count('class="grown"') == 2  # fib(2) has made fib(1) and fib(0)
    assert picture.svg.count("<path d=") == 4  # which are read by an add, and that by the other one


def test_a_chain_is_one_node_with_a_count_and_links_in_place_are_marked() -> None:
    workflow.run(down.bind(40), workflow_id="w")
    [(label, (kind, _))] = boxes(workflow.draw("w")).items()
    assert (label, kind) == (f"down {TIMES} 41", "done")
    assert workflow.draw("w").svg.count('class="bar"') == 1
    every = workflow.draw("w", fold=0).svg
    assert every.count('class="bar"') == every.count('class="grown inplace"') == 40
    [title] = boxes(workflow.timeline("w"))
    assert title == f"down {TIMES} 41"


def test_a_chain_elsewhere_is_folded_as_well(tally: Tally) -> None:
    workflow.run(countdown.bind(tally, 9), workflow_id="w")
    assert [*boxes(workflow.draw("w"))] == [f"countdown {TIMES} 10"]
    assert len(boxes(workflow.draw("w", fold=10))) == 10


def test_a_fan_of_alike_tasks_is_one_node(tally: Tally) -> None:
    first = noted.bind(tally, "a")
    fan = [add.bind(first, i) for i in range(12)]
    workflow.run(noted.bind(tally, "b", *fan), workflow_id="w")
    assert [*boxes(workflow.draw("w"))] == ["noted", f"add {TIMES} 12", "noted_1"]
    assert len(boxes(workflow.draw("w", fold=12))) == 14


def test_the_states_of_a_workflow_that_failed(tmp_path: Path) -> None:
    good, bad = add.bind(1), fail_unless.bind(tmp_path / "flag", 1)
    with pytest.raises(WorkflowExecutionError):
        workflow.run(add.bind(fail_unless.bind(tmp_path / "flag", good), add.bind(bad)), workflow_id="w")
    told = boxes(workflow.draw("w"))
    failed = [note for kind, note in told.values() if kind == "failed"]
    assert failed
    assert all(re.fullmatch(r"failed · .* · OddError", note) for note in failed)
    assert ("skipped", "not run") in told.values()
    assert "failed" in {kind for kind, _ in boxes(workflow.timeline("w")).values()}


def test_what_waits_has_a_shape_of_its_own_and_states_are_those_of_now() -> None:
    waits = workflow.wait_for_signal("go")
    ref = workflow.run_async(add.bind(waits, add.bind(waits, 1)), workflow_id="w")
    picture = workflow.draw("w")
    assert states(picture) == {"wait_for_signal": "running", "add": "waiting", "add_1": "waiting"}
    assert picture.svg.count('class="sign"') == 1
    assert states(workflow.timeline("w")) == {"wait_for_signal": "running logical", "add": "", "add_1": ""}
    workflow.signal("w", "go", 1)
    assert alula.get(ref) == 3
    assert set(states(workflow.draw("w")).values()) == {"done"}


def test_one_that_was_cancelled() -> None:
    workflow.run_async(add.bind(workflow.wait_for_signal("go")), workflow_id="w")
    workflow.cancel("w")
    assert states(workflow.draw("w")) == {"wait_for_signal": "cancelled", "add": "skipped"}


def test_a_sleep_is_one_node() -> None:
    workflow.run(workflow.sleep(0), workflow_id="w")
    assert [*boxes(workflow.draw("w"))] == [*boxes(workflow.timeline("w"))] == ["sleep"]


def test_a_timeline_has_bars_in_the_order_of_their_beginning() -> None:
    workflow.run(add.bind(add.bind(add.options(**LOOSE).bind(1))), workflow_id="w")
    picture = workflow.timeline("w")
    rects = [rect.attrib for rect in ElementTree.fromstring(picture.svg).iter(f"{SVG}rect")]
    assert [*boxes(picture)] == ["~add~", "add_1", "add_2"]
    assert [rect["class"] for rect in rects] == ["done volatile", "done", "done"]
    ends = [float(rect["x"]) + float(rect["width"]) for rect in rects]
    assert all(end <= float(ElementTree.fromstring(picture.svg).attrib["width"]) for end in ends)
    assert len(boxes(workflow.timeline("w", rows=2))) == 2
    assert "and 1 more" in workflow.timeline("w", rows=2).svg


def test_long_names_are_shortened_and_told_whole_by_a_tip() -> None:
    name = "a_name_of_many_letters_" * 4
    node = add.options(**workflow.options(task_id=name)).bind(1)
    workflow.run(node, workflow_id="w")
    [label] = boxes(workflow.draw("w"))
    assert len(label) == 32
    assert f"<title>{name}: done</title>" in workflow.draw("w").svg


def test_a_picture_is_text_a_file_and_what_a_notebook_shows(tmp_path: Path) -> None:
    workflow.run(add.bind(1), workflow_id="w")
    picture = workflow.draw("w")
    picture.save(tmp_path / "w.svg")
    assert (tmp_path / "w.svg").read_text("utf-8") == str(picture) == picture._repr_html_()
    assert picture._repr_svg_().startswith("<svg")


def test_bad_input_is_refused() -> None:
    for draw in (workflow.draw, workflow.timeline):
        with pytest.raises(WorkflowNotFoundError):
            draw("nobody")
    with pytest.raises(ValueError, match="fold is a number"):
        workflow.draw("w", fold=-1)
    with pytest.raises(ValueError, match="rows is a number"):
        workflow.timeline("w", rows=0)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-1, "0 µs"),
        (0.0000204, "20 µs"),
        (0.00123, "1.2 ms"),
        (0.0123, "12 ms"),
        (0.9994, "999 ms"),
        (0.9999, "1 s"),
        (12.34, "12.3 s"),
        (99.7, "1 min 40 s"),
        (3600, "60 min"),
        (7200, "2 h"),
        (12345, "3 h 26 min"),
        (864000, "10 days"),
    ],
)
def test_durations_are_told_in_few_digits(seconds: float, told: str) -> None:
    assert duration(seconds) == told
