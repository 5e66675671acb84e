"""References as values of their own: identity, futures, and `await`."""

import asyncio
from concurrent.futures import Future, wait
from typing import Any

import pytest

from ...errors import TaskError
from ...futures import ObjectRef, put, remote
from .._turnstile import Turnstile
from ._part import LIMIT, Part, value
from ._values import echo, fail, hold

__all__ = ["Awaiting", "Futures", "Identity"]


class Identity(Part):
    """Which references are the same."""

    def test_a_reference_is_equal_to_itself_alone(self) -> None:
        one, two = put(1), put(1)
        assert one == one
        assert one != two
        assert one != 1
        assert len({one, two, one}) == 2

    def test_it_is_the_same_after_a_journey(self) -> None:
        for ref in (put(1), echo.remote(2)):
            back = value(echo.remote([ref]))[0]
            assert back == ref
            assert hash(back) == hash(ref)
            assert {ref: "found"}[back] == "found"

    def test_the_identity_is_bytes_and_text(self) -> None:
        ref = put(1)
        assert ref.hex() == ref.binary().hex()
        assert ref.hex() in repr(ref)

    def test_equality_is_known_inside_a_task(self) -> None:
        same = remote(lambda refs: [refs[0] == refs[1], refs[0] == refs[2]])
        one = put(1)
        assert value(same.remote([one, one, put(1)])) == [True, False]


class Futures(Part):
    """`ObjectRef.future`."""

    def test_a_future_gets_the_value(self, turnstile: Turnstile) -> None:
        future = hold.remote(turnstile, 7).future()
        assert not future.done()
        turnstile.let()
        assert future.result(LIMIT) == 7

    def test_a_future_gets_the_error(self) -> None:
        error = fail.remote("lost").future().exception(LIMIT)
        assert isinstance(error, ValueError)
        assert isinstance(error, TaskError)

    def test_a_future_of_a_value_that_is_there_is_soon_done(self) -> None:
        ref: ObjectRef[Any] = put(7)
        assert ref.future().result(LIMIT) == 7

    def test_many_futures_are_done_together(self) -> None:
        futures: list[Future[Any]] = [echo.remote(i).future() for i in range(50)]
        done, rest = wait(futures, LIMIT)
        assert not rest
        assert sorted(future.result() for future in done) == list(range(50))

    def test_cancelling_a_future_leaves_the_task_alone(self, turnstile: Turnstile) -> None:
        ref = hold.remote(turnstile, 7)
        assert ref.future().cancel()
        turnstile.let()
        assert value(ref) == 7

    def test_who_asked_is_told(self) -> None:
        told: Future[int] = Future()
        put(7).future().add_done_callback(lambda future: told.set_result(future.result()))
        assert told.result(LIMIT) == 7


class Awaiting(Part):
    """`await ref`."""

    def test_a_reference_may_be_awaited_twice(self) -> None:
        async def twice() -> tuple[Any, Any]:
            ref = echo.remote(7)
            return await ref, await ref

        assert asyncio.run(twice()) == (7, 7)

    def test_references_may_be_gathered(self) -> None:
        async def gathered() -> list[Any]:
            return await asyncio.gather(*[echo.remote(i) for i in range(10)])

        assert asyncio.run(gathered()) == list(range(10))

    def test_an_error_is_raised_where_it_is_awaited(self) -> None:
        async def failing() -> None:
            with pytest.raises(ValueError, match="awaited"):
                await fail.remote("awaited")

        asyncio.run(failing())

    def test_after_a_timeout_it_may_be_awaited_again(self, turnstile: Turnstile) -> None:
        async def again() -> Any:
            ref = hold.remote(turnstile, 7)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ref, 0.01)
            turnstile.let()
            return await ref

        assert asyncio.run(again()) == 7
