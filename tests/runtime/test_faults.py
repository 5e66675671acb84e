"""The runtime while clients meet, the store is away, or the engine is another one."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import alula as om
from tests.runtime.conftest import Child
from tests.runtime.estimators import Adder, Doomed

ENOUGH = 50.0

CLIENT = """
import numpy as np
from tests.runtime.estimators import Adder
sys.stdin.readline()
print([om.runtime.model("adder").partial_fit([[1.0]]).get().version for _ in range(3)], flush=True)
"""


def test_two_clients_that_fit_one_model_make_versions_of_their_own_all_whole(
    spawn: Callable[..., Child],
) -> None:
    om.models.put(Adder(), "adder")
    clients = [spawn(CLIENT) for _ in range(2)]
    said = [client.communicate("go\n", timeout=ENOUGH) for client in clients]
    versions = [number for out, err in said for number in json.loads(out or err)]
    assert sorted(versions) == [2, 3, 4, 5, 6, 7]
    totals = [om.models.get("adder", version=number).total_ for number in range(2, 8)]
    assert all(1.0 <= total <= 6.0 for total in totals)


GATES = ("artifacts.written", "store.before_commit", "store.committed", "task.finished", "results.sending")


@pytest.mark.usefixtures("engine")
def test_a_worker_killed_at_any_gate_of_a_fit_costs_an_attempt_and_makes_no_second_version() -> None:
    for gate in GATES:
        om.models.put(Doomed(gate), gate)
    results = {gate: om.runtime.model(gate).fit([[1.0]]) for gate in GATES}
    assert {gate: result.get(ENOUGH).version for gate, result in results.items()} == dict.fromkeys(GATES, 2)
    assert {len(om.models.versions(gate)) for gate in GATES} == {2}
    assert {gate: result.timings.attempts for gate, result in results.items()} == dict.fromkeys(GATES, 2)


AWAY = """
import os, pathlib
from alula.errors import StoreUnavailableError
file = pathlib.Path(os.environ["ALULA_HOME"]) / "alula.db"
om.runtime.ping()
file.rename(file.with_suffix(".away"))
try:
    om.runtime.ping()
except StoreUnavailableError as error:
    print("away", flush=True)
file.with_suffix(".away").rename(file)
print(om.runtime.ping("back")["args"], flush=True)
"""


def test_a_store_that_goes_away_is_named_and_work_goes_on_when_it_is_back(
    spawn: Callable[..., Child],
) -> None:
    out, err = spawn(AWAY).communicate(timeout=ENOUGH)
    assert out == "away\n('back',)\n", err


ON_RAY = """
from tests.runtime.estimators import Adder
def double(om, previous=1):
    return previous * 2
if __name__ == "__main__":
    om.init(num_cpus=1)
    om.models.put(Adder(), "adder")
    print(om.runtime.model("adder").fit([[1.0], [2.0]]).get().version, flush=True)
    om.scripts.put(double, "double")
    with om.runtime.sequence() as crt:
        om.runtime.script("double").run()
        om.runtime.script("double").run()
    print(crt.run().getall(), flush=True)
    om.jobs.put("print('in a kernel', args)", "report")
    made = om.runtime.job("report").run(7).get()
    print(om.jobs.load(made.name).cells[-1].outputs[0].text, end="", flush=True)
"""


@pytest.mark.timeout(400)  # Ray and a kernel begin in it
@pytest.mark.usefixtures("ray_is_installed")
def test_the_same_program_runs_on_ray(
    spawn: Callable[..., Child], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("ALULA_ENGINE", "ray")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["src", "."]))
    out, err = spawn(ON_RAY).communicate(timeout=2 * ENOUGH)
    assert out.endswith("2\n[2, 4]\nin a kernel [7]\n"), err
