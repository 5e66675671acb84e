"""The serving half of the demo: a server of its own, and one command per image."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ..errors import MissingExtraError, StoreUnavailableError

__all__ = ["ANSWER", "MEAN", "Reading", "command", "mean_model", "read_image", "server"]

MEAN = "digits/mean"
"""Key of the model that averages the others."""

ANSWER = "digits/answer"
"""The one key that each command stores: the averaged probabilities of the image read last."""


@contextmanager
def server(home: Path) -> Iterator[Any]:
    """Run ``alula serve`` as a process of its own on a free port; give a plain Redis client of it."""
    try:
        import redis
    except ImportError as error:
        raise MissingExtraError("redis", "lab", "the demo") from error
    arguments = [sys.executable, "-m", "alula", "serve", "--port", "0", "--home", str(home)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("Listening on "):
            raise StoreUnavailableError(str(home), "the tensor server did not start; its error is above")
        port = int(line.rsplit(":", 1)[1])
        with redis.Redis(port=port, protocol=2) as client:
            yield client
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def mean_model(count: int) -> bytes:
    """Make an ONNX model: probabilities of `count` models, shape (n, 10) each, to class and mean.

    Returns
    -------
    bytes
        Its outputs are ``class``, int64 of shape (n,), and ``mean``, float of shape (n, 10).
    """
    from onnx import TensorProto, helper

    inputs = [f"p{i}" for i in range(count)]
    nodes = [
        helper.make_node("Mean", inputs, ["mean"]),
        helper.make_node("ArgMax", ["mean"], ["class"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 10]) for name in inputs],
        [
            helper.make_tensor_value_info("class", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("mean", TensorProto.FLOAT, [None, 10]),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    data: bytes = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    return data


def command(models: Sequence[str], pixels: bytes) -> list[str | bytes]:
    """Write the command for one image: a DAG in the words of the founding proposal.

    The image and all that is made of it is volatile; only `ANSWER` is stored.

    Parameters
    ----------
    models
        Keys of the models to be averaged.
    pixels
        64 floats, little-endian.
    """
    words: list[str | bytes] = ["AI.DAGRUN", "TENSORSET", "~image~", "FLOAT", "1", "64", "BLOB", pixels]
    probabilities = []
    for model in models:
        short = model.rpartition("/")[2]
        probabilities.append(f"~{short}~")
        words += ["=>", "MODELRUN", model, "INPUTS", "~image~"]
        words += ["OUTPUTS", f"~{short}-class~", f"~{short}~"]
    words += ["=>", "MODELRUN", MEAN, "INPUTS", *probabilities, "OUTPUTS", "~class~", ANSWER]
    words += ["=>", "TENSORGET", "~class~", "VALUES", "=>", "TENSORGET", ANSWER, "BLOB"]
    return words


@dataclass(frozen=True, slots=True)
class Reading:
    """What the server answered for one image.

    Attributes
    ----------
    digit
        The class.
    probabilities
        Shape (10,), float32.
    seconds
        From sending the command to having the reply.
    """

    digit: int
    probabilities: Any
    seconds: float


def read_image(client: Any, models: Sequence[str], pixels: Any, then: Callable[[], None]) -> Reading:
    """Send one command for one image and read its answer."""
    words = command(models, pixels.astype("<f4").tobytes())
    start = perf_counter()
    *_, digit, mean = client.execute_command(*words)
    seconds = perf_counter() - start
    then()
    return Reading(int(digit[0]), np.frombuffer(mean, "<f4"), seconds)
