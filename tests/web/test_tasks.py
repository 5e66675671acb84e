"""Tasks over HTTP: those that nobody waits for, where they stand, and ending them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

import alula as om
from alula import workflow
from alula._core._ids import new_id
from alula.testing import Turnstile
from tests.runtime.estimators import Held
from tests.web.conftest import Api, serving
from tests.workflow.bodies import add

pytestmark = pytest.mark.usefixtures("engine")

DATA = {"data": [[1.0]]}


@pytest.fixture(scope="module", autouse=True)
def stored(api: Api) -> None:
    x = np.arange(4.0).reshape(-1, 1)
    om.models.put(LinearRegression().fit(x, 2 * x[:, 0]), "line")


@pytest.fixture
def held(tmp_path: Path, api: Api) -> Iterator[Turnstile]:
    with Turnstile(tmp_path) as turnstile:
        om.models.put(Held(turnstile), "held", replace=True)
        yield turnstile


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("model/line/predict?async=1", {}),
        ("model/line/predict", {"async": "true"}),
        ("model/line/predict", {"prefer": "respond-async"}),
    ],
)
def test_an_asynchronous_call_is_accepted_with_the_address_of_its_result(
    api: Api, path: str, headers: dict[str, str]
) -> None:
    answer = api("PUT", path, DATA, **headers)
    assert answer.status == 202
    assert answer.json["result"] == "pending"
    assert answer.json["resource_uri"] == "/api/v1/model/line/"
    assert answer.location == f"/api/v1/task/{answer.json['task_id']}/result"
    assert int(answer.headers["retry-after"]) >= 1
    ended = api("GET", answer.location, prefer="wait=30")
    assert (ended.status, ended.json["status"]) == (200, "SUCCESS")
    assert ended.json["response"] == pytest.approx([2.0])


def test_a_task_that_runs_says_so_and_when_to_ask_again(api: Api, held: Turnstile) -> None:
    accepted = api("PUT", "model/held/fit?async=1", DATA)
    held.arrived()
    running = api("GET", accepted.location)
    assert (running.status, running.json["status"]) == (200, "STARTED")
    assert "response" not in running.json
    assert int(running.headers["retry-after"]) >= 1
    assert api("GET", f"task/{accepted.json['task_id']}/status").json["status"] == "STARTED"
    held.let()
    assert api("GET", accepted.location, prefer="wait=30").json["status"] == "SUCCESS"


def test_who_waits_only_so_long_is_told_where_to_ask_later(api: Api, held: Turnstile) -> None:
    answer = api("PUT", "model/held/fit", DATA, prefer="wait=0")
    assert answer.status == 202
    held.let()
    assert api("GET", answer.location, prefer="wait=30").json["status"] == "SUCCESS"


def test_to_delete_a_task_is_to_revoke_it(api: Api, held: Turnstile) -> None:
    accepted = api("PUT", "model/held/fit?async=1", DATA)
    held.arrived()
    task = accepted.json["task_id"]
    assert api("DELETE", f"task/{task}").json["status"] == "REVOKED"
    answer = api("GET", accepted.location)
    assert (answer.status, answer.json["error"]) == (409, "TaskCancelledError")


def test_d_an_unknown_task_is_not_found(api: Api) -> None:
    for method, path in (("GET", "status"), ("GET", "result"), ("DELETE", "")):
        answer = api(method, f"task/{new_id()}/{path}".rstrip("/"))
        assert (answer.status, answer.json["error"]) == (404, "TaskNotFoundError")


def test_a_failed_task_is_told_as_if_one_had_waited(api: Api) -> None:
    accepted = api("PUT", "model/line/predict?async=1", {"data": [["a"]]})
    answer = api("GET", accepted.location, prefer="wait=30")
    assert (answer.status, answer.json["error"]) == (422, "ValueError")
    assert answer.json["task_id"] == accepted.json["task_id"]


def test_a_waiting_call_keeps_nobody_else_from_being_answered(api: Api, held: Turnstile) -> None:
    with ThreadPoolExecutor(60) as pool:
        fits = [pool.submit(api, "PUT", "model/held/fit", DATA) for _ in range(50)]
        held.arrived()
        held.arrived()
        assert api("GET", "ping").status == 200
        held.let()
        assert {fit.result().status for fit in fits} == {200}


def test_at_the_end_whoever_waits_is_told_where_the_result_will_be(
    shared_home: Path, held: Turnstile
) -> None:
    with ThreadPoolExecutor() as pool, serving() as other:
        waiting = pool.submit(other, "PUT", "model/held/fit", DATA)
        held.arrived()
        other.process.terminate()
        answer = waiting.result()
        assert answer.status == 202
        assert other.process.wait(150) == 0
    with pytest.warns(UserWarning, match="waits in the queue"):
        assert om.runtime.result(answer.json["task_id"], wait=False).status == "PENDING"
    held.let()


def test_a_signal_is_delivered_once_for_each_idempotency_key(api: Api) -> None:
    run = workflow.run_async(
        add.bind(workflow.wait_for_signal("go"), workflow.wait_for_signal("go")), workflow_id="team/w"
    )
    path = "workflow/team/w/signal/go"
    for number, key in ((1, "a"), (1, "a"), (2, "b")):
        answer = api("POST", path, number, Idempotency_Key=key)
        assert (answer.status, answer.json) == (200, {"workflow": "team/w", "signal": "go"})
    assert om.get(run) == 3


def test_a_signal_that_nobody_can_take_is_refused(api: Api) -> None:
    answer = api("POST", "workflow/none/signal/go", {})
    assert (answer.status, answer.json["error"]) == (404, "WorkflowNotFoundError")
    workflow.run(add.bind(1, 2), workflow_id="over")
    assert api("POST", "workflow/over/signal/go").status == 409
    assert api("POST", "workflow/over/signal/go", b"{").status == 400


def test_tasks_are_listed_page_by_page(api: Api) -> None:
    for fails in (False, True, False):
        om.runtime.ping(wait=False, exception=fails).get(propagate=False)
    first = api("GET", "task/?limit=2")
    assert len(first.json["items"]) == 2
    assert first.json["items"][0]["resource_uri"].startswith("/api/v1/task/")
    second = api("GET", first.json["next"])
    assert not {each["id"] for each in first.json["items"]} & {each["id"] for each in second.json["items"]}
    failed = api("GET", "task/?status=FAILURE").json["items"]
    assert {each["status"] for each in failed} == {"FAILURE"}
    assert api("GET", "task/?status=ODD").status == 422
