"""What every reference can do, on whatever engine: here one that settles when the test says so."""

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

import pytest

from alula.futures import ObjectRef


class Engine:
    """As much of an engine as a reference asks for."""

    def __init__(self) -> None:
        self.watching: list[Callable[[BaseException | None], None]] = []
        self.outcome: Any = None

    def watch(self, ref: "Ref", then: Callable[[BaseException | None], None]) -> None:
        self.watching.append(then)

    def get(self, refs: list["Ref"], timeout: float | None) -> list[Any]:
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return [self.outcome]

    def settle(self, outcome: Any) -> None:
        self.outcome = outcome
        for then in self.watching:
            then(outcome if isinstance(outcome, BaseException) else None)


class Ref(ObjectRef[Any]):
    def __init__(self, engine: Engine, key: bytes = b"\x01\x02") -> None:
        self._engine, self._key = engine, key

    @property
    def engine(self) -> Any:
        return self._engine

    def binary(self) -> bytes:
        return self._key


@pytest.fixture
def ref() -> Ref:
    return Ref(Engine())


def test_a_reference_is_its_bytes() -> None:
    engine = Engine()
    ref, same, other = Ref(engine), Ref(engine), Ref(engine, b"\x03")
    assert ref == same
    assert hash(ref) == hash(same)
    assert ref != other
    assert ref != b"\x01\x02"
    assert ref.hex() == "0102"
    assert repr(ref) == "ObjectRef(0102)"


def test_a_future_has_the_value_when_it_is_there(ref: Ref) -> None:
    future = ref.future()
    assert not future.done()
    ref.engine.settle(5)
    assert future.result(timeout=0) == 5


@pytest.mark.parametrize("error", [KeyError("k"), KeyboardInterrupt()], ids=repr)
def test_a_future_has_the_error_whatever_it_is(ref: Ref, error: BaseException) -> None:
    future = ref.future()
    ref.engine.settle(error)
    assert future.exception(timeout=0) is error


def test_a_future_that_was_cancelled_stays_so(ref: Ref) -> None:
    future = ref.future()
    assert future.cancel()
    ref.engine.settle(5)
    with pytest.raises(CancelledError):
        future.result(timeout=0)


def test_a_reference_can_be_awaited_more_than_once(ref: Ref) -> None:
    async def wait() -> list[Any]:
        waiting = asyncio.gather(*[asyncio.ensure_future(_wait(ref)) for _ in range(2)])
        asyncio.get_running_loop().call_soon(ref.engine.settle, "value")  # after both have begun
        return await waiting

    assert asyncio.run(wait()) == ["value", "value"]


async def _wait(ref: Ref) -> Any:
    return await ref
