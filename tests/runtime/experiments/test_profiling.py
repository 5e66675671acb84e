"""The load of the machine is measured while a run is active, and what cannot be measured is left away."""

import sys
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

import alula as om
from alula.errors import MissingExtraError
from alula.runtime import Experiment
from alula.runtime._experiments._profile import MEASURES, measure


def keys(exp: Experiment) -> set[str]:
    return {row["key"] for row in exp.data("*", event="profile", raw=True)}


def test_a_run_begins_and_ends_with_a_measurement(instance: None) -> None:
    with om.runtime.experiment("myexp", provider="profiling") as exp:
        assert exp.profiler.interval == 10
    rows = exp.data(event="profile", key="memory_load", raw=True)
    assert len(rows) == 2
    assert all(0 < row["value"] <= 100 for row in rows)
    expected = "profile_dt memory_load memory_total cpu_load cpu_count disk_use disk_total process_memory"
    assert set(expected.split()) <= keys(exp)
    [first, _] = exp.data(event="profile", key="cpu_load", raw=True)
    assert isinstance(first["value"], list)


def test_only_what_is_chosen_is_measured(instance: None) -> None:
    exp = om.runtime.experiment("myexp", provider="profiling")
    exp.profiler.metrics = ["memory"]
    with exp:
        pass
    assert keys(exp) == {"profile_dt", "memory_load", "memory_total"}
    with pytest.raises(ValueError, match=r"nothing called 'mem' is measured; .*There are: 'cpu'"):
        exp.profiler.metrics = ["mem"]
    with pytest.raises(ValueError, match="does not profile"):
        _ = om.runtime.experiment("other").profiler


@pytest.mark.parametrize("error", [NotImplementedError, OSError, AttributeError])
def test_a_frequency_that_cannot_be_known_is_left_away(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def unknown(**_: Any) -> None:
        raise error

    monkeypatch.setattr(psutil, "cpu_freq", unknown)
    found = measure(("cpu",))
    assert "cpu_freq" not in found
    assert found["cpu_count"] == psutil.cpu_count()


def test_without_a_gpu_there_is_nothing_of_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert MEASURES["gpu"]() == {}


class NoDriverError(Exception):
    """What NVML raises."""


def nvml(count: int) -> SimpleNamespace:
    """Give a module as that of nvidia-ml-py, for so many GPUs; 0 for no driver."""

    def init() -> None:
        if not count:
            raise NoDriverError

    def refused(_: object) -> None:
        raise NoDriverError

    return SimpleNamespace(
        NVMLError=NoDriverError,
        NVML_TEMPERATURE_GPU=0,
        nvmlInit=init,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: count,
        nvmlDeviceGetHandleByIndex=lambda i: i,
        nvmlDeviceGetUtilizationRates=lambda i: SimpleNamespace(gpu=10 * i),
        nvmlDeviceGetMemoryInfo=lambda i: SimpleNamespace(used=1, total=2),
        nvmlDeviceGetPowerUsage=refused,
        nvmlDeviceGetTemperature=lambda i, _: 40 + i,
    )


def test_a_driver_that_is_not_there_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml(0))
    assert MEASURES["gpu"]() == {}


def test_each_gpu_is_one_of_a_list_and_tells_what_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml(2))
    assert MEASURES["gpu"]() == {
        "gpu_load": [0, 10],
        "gpu_memory_used": [1, 1],
        "gpu_memory_total": [2, 2],
        "gpu_temperature": [40, 41],
    }


def test_without_psutil_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, instance: None) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(MissingExtraError, match=r"alula\[profile\]"):
        om.runtime.experiment("myexp", provider="profiling")


@pytest.mark.usefixtures("line")
def test_a_worker_measures_while_a_tracked_task_runs() -> None:
    exp = om.runtime.experiment("myexp", provider="profiling")
    exp.track("mymodel")
    task = om.runtime.model("mymodel").fit("data-X", "data-Y")
    task.get()
    rows = exp.data(taskid=task.id, event="profile", key="memory_load", raw=True)
    assert len(rows) == 2
