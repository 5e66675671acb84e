"""A DAG of a thousand operations takes ten times what one of a hundred takes, and no deeper a stack."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from alula.server import Config, MemoryKeyspace, Tensor
from alula.server._devices import Devices
from alula.server._later import Later
from alula.server._models import Model
from alula.server._plans import Plans
from alula.server._resp import Reply
from alula.server._run import run
from alula.server._tensors import DTYPES
from alula.testing import Clock
from tests.server.world import ControlledSession


def same(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return (inputs[0],)


def chain(length: int) -> list[str]:
    """Each operation reads what the one before has made."""
    links = [f"MODELRUN m INPUTS ~{n}~ OUTPUTS ~{n + 1}~" for n in range(length)]
    return ["TENSORSET ~0~ UINT8 1 VALUES 7", *links, f"TENSORGET ~{length}~ VALUES"]


def star(length: int) -> list[str]:
    """All read the same, and all is stored."""
    return ["TENSORSET ~0~ UINT8 1", *[f"MODELRUN m INPUTS ~0~ OUTPUTS k{n}" for n in range(length)]]


def stages(length: int) -> list[str]:
    """One name is written again and again."""
    return ["TENSORSET a UINT8 1", *["MODELRUN m INPUTS a OUTPUTS a", "TENSORGET a META"] * (length // 2)]


SHAPES = (chain, star, stages)


def carry_out(listing: list[str], separator: str, *, parallel: bool = True) -> Reply:
    words = ("AI.DAGRUN " + (separator + " ") * (separator == "|>") + f" {separator} ".join(listing)).encode()
    return asyncio.run(_carry_out(words.split(), parallel=parallel))


async def _carry_out(words: list[bytes], *, parallel: bool) -> Reply:
    clock, config, keyspace = Clock(), Config(), MemoryKeyspace()
    config.dag_parallel = parallel
    model = Model(backend="ONNX", device=b"CPU", blob=b"", session=ControlledSession(same, 1, 1))
    tensor = Tensor(DTYPES[b"UINT8"], (1,), b"\7")
    for _ in range(8):
        model.pace.note_elsewhere((tensor,), 0.0)  # quick, so that all of it happens on this thread
    keyspace.write({b"m": model})
    loop = asyncio.get_running_loop()
    devices = Devices(loop, slots=1, width=2, clock=clock, config=config)
    reply = run(Plans().bind(words, keyspace), devices)
    assert not isinstance(reply, Later)
    return reply


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_ten_times_the_operations_take_ten_times_the_calls(
    shape: Callable[[int], list[str]], parallel: bool
) -> None:
    counts = []
    for length in (100, 1000):
        with calls() as counted:
            carry_out(shape(length), "=>", parallel=parallel)
        counts.append(len(counted))
    assert counts[1] < 11 * counts[0]


@contextmanager
def calls() -> Iterator[list[None]]:
    """Count the calls of Python functions."""
    counted: list[None] = []
    sys.setprofile(lambda frame, event, arg: counted.append(None))
    try:
        yield counted
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("separator", ["|>", "=>"])
def test_a_chain_of_a_thousand_needs_no_deep_stack(separator: str) -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        reply = carry_out(chain(1000), separator)
    finally:
        sys.setrecursionlimit(limit)
    assert isinstance(reply, list)
    assert reply[-1] == [7]
