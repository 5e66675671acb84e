"""The backends, by the name that AI.MODELSTORE calls them by."""

from collections.abc import Mapping
from pathlib import Path

from .._load_time import LoadTime
from .._models import Backend
from .._scripts import Reach
from ._onnx import OnnxBackend
from ._torch import TorchBackend

__all__ = ["BACKENDS_PATH", "OnnxBackend", "TorchBackend", "make_backends"]

BACKENDS_PATH = str(Path(__file__).parents[1] / "backends")
"""Where RedisAI would look for backends: beside its module, which here is the package of the server."""


def make_backends(load_time: LoadTime, reach: Reach) -> Mapping[str, Backend]:
    """Make those that there are; none is imported before something is loaded.

    Parameters
    ----------
    load_time
        How models are run.
    reach
        How scripts reach their server.
    """
    threads = load_time.intra_op_parallelism
    onnx = OnnxBackend(
        threads=threads,
        inter_threads=load_time.inter_op_parallelism,
        timeout=load_time.model_execution_timeout,
        memory_limit=load_time.backend_memory_limit << 20,
    )
    return {"ONNX": onnx, "TORCH": TorchBackend(threads=threads, reach=reach)}
