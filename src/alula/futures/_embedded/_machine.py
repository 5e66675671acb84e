"""What this machine has, as far as that can be seen without loading any library: cores, GPUs, memory."""

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..._core._settings import Settings
from ...errors import SettingError
from ._budget import budget, installed
from ._environments import VISIBLE

__all__ = ["Machine", "gpu_kind", "survey", "visible_gpus"]

_NAME: Final = re.compile(r"\w+\s+((?:[A-Z]+\s+)*[A-Z0-9]*\d[A-Z0-9]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What all processes of a session know of their machine.

    Attributes
    ----------
    node_id
        56 hexadecimal digits, new for each session.
    resources
        All amounts by name.
    labels
        Its labels.
    gpus
        The GPUs, as `VISIBLE` names them.
    """

    node_id: str
    resources: Mapping[str, float]
    labels: Mapping[str, str]
    gpus: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Give all of it in the form in which it is sent."""
        return {
            "node_id": self.node_id,
            "resources": dict(self.resources),
            "labels": dict(self.labels),
            "gpus": self.gpus,
        }


def survey(
    settings: Settings,
    node_id: str,
    *,
    resources: Mapping[str, float],
    labels: Mapping[str, str],
    memory: float | None = None,
) -> Machine:
    """Find out what there is; what the settings and the rest say stands above what is found.

    Raises
    ------
    SettingError
        If more GPUs are asked for than `VISIBLE` lets this process see, or a label cannot be one.
    """
    _check_labels(labels)
    gpus = visible_gpus(settings.num_gpus)
    whole = installed()
    objects = budget(settings.object_store_memory)
    total = {
        "CPU": float(settings.num_cpus or _cores()),
        "memory": float(memory if memory is not None else max(0, whole - objects)),
        "object_store_memory": float(objects),
        "node:127.0.0.1": 1.0,
        "node:__internal_head__": 1.0,
    }
    found = {"ray.io/node-id": node_id}
    if gpus:
        total["GPU"] = float(len(gpus))
        if (kind := gpu_kind(_models())) is not None:
            total[f"accelerator_type:{kind}"] = 1.0
            found["ray.io/accelerator-type"] = kind
    return Machine(node_id=node_id, resources={**total, **resources}, labels={**labels, **found}, gpus=gpus)


def _check_labels(labels: Mapping[str, str]) -> None:
    for name in labels:
        if name.startswith("ray.io/"):
            raise SettingError("labels", labels, "names that begin with 'ray.io/' are given, not chosen")


def visible_gpus(wanted: int | None, devices: Iterable[str] | None = None) -> tuple[str, ...]:
    """Give the GPUs to share out, as `VISIBLE` names them.

    Parameters
    ----------
    wanted
        How many; None for all. More than can be seen are taken at their word, unless `VISIBLE` is set.
    devices
        The names in ``/dev``; read there by default.

    Raises
    ------
    SettingError
        If `VISIBLE` names fewer.
    """
    named = os.environ.get(VISIBLE)
    if named is None:
        there = os.listdir("/dev") if devices is None else devices
        count = sum(bool(re.fullmatch(r"nvidia\d+", name)) for name in there)
        return tuple(map(str, range(count if wanted is None else wanted)))
    # As CUDA reads it: what stands behind the first name that is none does not count.
    names = [name.strip() for name in named.split(",")]
    ends = [i for i, name in enumerate(names) if name in ("", "-1", "NoDevFiles")]
    names = names[: ends[0]] if ends else names
    if wanted is not None and wanted > len(names):
        raise SettingError("num_gpus", wanted, f"{VISIBLE}={named!r} lets this process see {len(names)}")
    return tuple(names if wanted is None else names[:wanted])


def gpu_kind(models: Iterable[str]) -> str | None:
    """Give the kind of a GPU in the words of `accelerator_type`, such as ``"H100"``; of the first one."""
    for model in models:
        if (match := _NAME.match(model)) is not None:
            return match[1].replace(" ", "-")
        return model.removeprefix("NVIDIA ").strip().replace(" ", "-") or None
    return None


def _models() -> list[str]:
    """Ask the driver of the kernel what the GPUs are."""
    texts: list[str] = []
    with suppress(OSError):  # hidden from us, as in some containers
        texts += [path.read_text() for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))]
    return [line.partition(":")[2].strip() for t in texts for line in t.splitlines() if line[:5] == "Model"]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
