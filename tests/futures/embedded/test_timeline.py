"""Events that viewers of traces understand: rows, bodies, ways and arrows."""

from typing import Any

from alula.futures._embedded._timeline import events

BODY = ("mod.f", 0, 7, 10.5, 10.75, 0)
WAY = ("mod.f", 7, [10.0, 10.1, 10.2], 10.8)


def found(**wanted: Any) -> list[dict[str, Any]]:
    """Give the events of one task that the driver had a worker run."""
    traces = [(100, 0, ([], [WAY])), (200, 1, ([BODY], []))]
    return [e for e in events(traces) if wanted.items() <= e.items()]


def test_each_process_has_a_row_with_its_name() -> None:
    names = {event["pid"]: event["args"]["name"] for event in found(ph="M", name="process_name")}
    assert names == {100: "driver", 200: "worker"}


def test_a_body_lies_in_the_row_of_its_process() -> None:
    [body] = found(ph="X", cat="task")
    assert (body["pid"], body["name"]) == (200, "mod.f")
    assert (body["ts"], body["dur"]) == (10.5e6, 0.25e6)


def test_the_way_of_a_task_lies_in_the_row_of_its_owner() -> None:
    starts = [(event["name"], event["ts"]) for event in found(ph="b", pid=100)]
    ends = [(event["name"], event["ts"]) for event in found(ph="e", pid=100)]
    phases = [("waiting for inputs", 10.0e6), ("queued", 10.1e6), ("being sent", 10.2e6)]
    assert starts == [("mod.f", 10.0e6), *phases]
    assert ends == [
        ("waiting for inputs", 10.1e6),
        ("queued", 10.2e6),
        ("being sent", 10.5e6),
        ("mod.f", 10.8e6),
    ]


def test_an_arrow_leads_from_the_submission_to_the_body() -> None:
    [start], [end] = found(ph="s"), found(ph="f")
    assert start["id"] == end["id"]
    assert (start["pid"], start["ts"], end["pid"], end["ts"]) == (100, 10.0e6, 200, 10.5e6)


def test_a_task_whose_body_nobody_knows_has_a_way_without_an_arrow() -> None:
    made = events([(100, 0, ([], [("mod.f", 7, [10.0], 10.8)]))])
    assert [event["name"] for event in made if event["ph"] == "e"] == ["waiting for inputs", "mod.f"]
    assert not [event for event in made if event["ph"] == "s"]
