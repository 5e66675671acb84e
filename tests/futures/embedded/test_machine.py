"""What a machine has is found without asking any library."""

import pytest

from alula._core._settings import Settings
from alula.errors import SettingError
from alula.futures._embedded._machine import gpu_kind, survey, visible_gpus

DEVICES = ["null", "nvidia0", "nvidia1", "nvidia7", "nvidiactl", "nvidia-uvm"]


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(
    ("wanted", "found"), [(None, ("0", "1", "2")), (0, ()), (2, ("0", "1")), (4, ("0", "1", "2", "3"))]
)
def test_gpus_are_counted_where_the_system_lists_devices(wanted: int | None, found: tuple[str, ...]) -> None:
    assert visible_gpus(wanted, DEVICES) == found


def test_there_may_be_none() -> None:
    assert visible_gpus(None, ["null"]) == ()


@pytest.mark.parametrize(
    ("named", "wanted", "found"),
    [
        ("", None, ()),
        ("-1", None, ()),
        ("NoDevFiles", None, ()),
        ("2,0", None, ("2", "0")),
        ("2, 0", 1, ("2",)),
        ("1,-1,3", None, ("1",)),
        ("GPU-8f1,MIG-7c", None, ("GPU-8f1", "MIG-7c")),
    ],
)
def test_only_gpus_that_this_process_may_see_are_shared_out(
    named: str, wanted: int | None, found: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus(wanted, DEVICES) == found


def test_more_than_it_may_see_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with pytest.raises(SettingError, match="CUDA_VISIBLE_DEVICES"):
        visible_gpus(2, DEVICES)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA A100-SXM4-40GB", "A100"),
        ("Tesla V100-SXM2-16GB", "V100"),
        ("NVIDIA RTX PRO 6000 Blackwell", "RTX-PRO-6000"),
        ("NVIDIA GeForce RTX 5090", "GeForce-RTX-5090"),
    ],
)
def test_a_gpu_is_named_as_accelerator_type_names_it(model: str, kind: str) -> None:
    assert gpu_kind([model, "another"]) == kind
    assert gpu_kind([]) is None


def test_memory_is_shared_between_tasks_and_large_values() -> None:
    machine = survey(
        Settings(num_cpus=2, object_store_memory=1 << 20), "ab", resources={"disk": 1}, labels={"a": "b"}
    )
    assert machine.resources["object_store_memory"] == 1 << 20
    assert machine.resources["memory"] > 1 << 20
    assert machine.resources["CPU"] == 2
    assert machine.resources["disk"] == 1
    assert machine.labels == {"a": "b", "ray.io/node-id": "ab"}
