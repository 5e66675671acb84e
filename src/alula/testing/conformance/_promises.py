"""What other faces build on: promises, and being told when a reference has settled."""

import threading
from concurrent.futures import Future
from typing import Any

import pytest

from ...errors import ActorDiedError, ObjectLostError, TaskError
from ...futures import Engine, get, put, remote, wait
from ...graph import Done, Failed
from .._turnstile import Turnstile
from ._part import LIMIT, Part, value
from ._values import echo, fail, hold

__all__ = ["Promises", "Watches"]


class Promises(Part):
    """`Engine.promise`."""

    @pytest.mark.parametrize("given", [7, None, [1, 2], "x" * 1_000_000], ids=lambda x: type(x).__name__)
    def test_a_promise_gives_what_it_is_settled_with(self, engine: Engine, given: object) -> None:
        ref, settle = engine.promise()
        assert wait([ref], timeout=0) == ([], [ref])
        settle(Done(given))
        assert value(ref) == given

    def test_a_promise_may_fail(self, engine: Engine) -> None:
        ref, settle = engine.promise()
        settle(Failed(ActorDiedError("somebody", "it was old")))
        with pytest.raises(ActorDiedError, match="old") as caught:
            value(ref)
        assert caught.value.actor == "somebody"

    def test_a_promise_that_fails_with_the_error_of_a_task_has_its_cause(self, engine: Engine) -> None:
        ref, settle = engine.promise()
        settle(Failed(TaskError.of(KeyError("k"), task="far", remote_traceback="there")))
        with pytest.raises(KeyError) as caught:
            value(ref)
        assert isinstance(caught.value, TaskError)
        assert (caught.value.task, caught.value.remote_traceback) == ("far", "there")

    def test_a_reference_is_followed(self, engine: Engine) -> None:
        ref, settle = engine.promise()
        settle(Done(echo.remote(7)))
        assert value(ref) == 7

    def test_a_reference_is_followed_when_it_settles(self, engine: Engine, turnstile: Turnstile) -> None:
        ref, settle = engine.promise()
        settle(Done(hold.remote(turnstile, 7)))
        assert wait([ref], timeout=0) == ([], [ref])
        turnstile.let()
        assert value(ref) == 7

    def test_a_reference_that_fails_is_followed(self, engine: Engine) -> None:
        ref, settle = engine.promise()
        settle(Done(fail.remote("followed")))
        with pytest.raises(ValueError, match="followed") as caught:
            value(ref)
        assert type(caught.value.__cause__) is ValueError

    def test_tasks_wait_for_a_promise(self, engine: Engine) -> None:
        ref, settle = engine.promise()
        double = remote(lambda x: 2 * x).remote(ref)
        nested = remote(lambda refs: get(refs[0])).remote([ref])
        settle(Done(21))
        assert get([double, nested], timeout=LIMIT) == [42, 21]

    def test_a_value_that_cannot_be_pickled_is_the_error(self, engine: Engine) -> None:
        ref, settle = engine.promise()
        settle(Done(threading.Lock()))
        with pytest.raises(TypeError, match="lock"):
            value(ref)

    def test_any_thread_may_settle(self, engine: Engine) -> None:
        ref, settle = engine.promise()
        threading.Timer(0, settle, [Done(7)]).start()
        assert value(ref) == 7

    def test_promises_are_settled_in_any_order(self, engine: Engine) -> None:
        made = [engine.promise() for _ in range(20)]
        for i, (_, settle) in reversed(list(enumerate(made))):
            settle(Done(i))
        assert get([ref for ref, _ in made], timeout=LIMIT) == list(range(20))


class Watches(Part):
    """`Engine.watch`."""

    def _watched(self, engine: Engine, ref: Any) -> Future[BaseException | None]:
        told: Future[BaseException | None] = Future()
        engine.watch(ref, told.set_result)  # a second call would be an error of the future's
        return told

    def test_who_watches_is_told_when_it_settles(self, engine: Engine, turnstile: Turnstile) -> None:
        told = self._watched(engine, hold.remote(turnstile))
        assert not told.done()
        turnstile.let()
        assert told.result(LIMIT) is None

    def test_who_comes_late_is_told_too(self, engine: Engine) -> None:
        ref = put(1)
        value(ref)
        assert self._watched(engine, ref).result(LIMIT) is None

    def test_who_watches_a_failure_is_told_the_error(self, engine: Engine) -> None:
        error = self._watched(engine, fail.remote("told")).result(LIMIT)
        assert isinstance(error, ValueError)
        assert isinstance(error, TaskError)

    def test_all_who_watch_are_told(self, engine: Engine, turnstile: Turnstile) -> None:
        ref = hold.remote(turnstile)
        told = [self._watched(engine, ref) for _ in range(5)]
        turnstile.let()
        assert [future.result(LIMIT) for future in told] == [None] * 5

    def test_who_is_told_may_start_more(self, engine: Engine) -> None:
        more: Future[Any] = Future()
        engine.watch(echo.remote(1), lambda error: more.set_result(echo.remote(2)))
        assert value(more.result(LIMIT)) == 2

    def test_a_reference_of_another_engine_is_refused(self, engine: Engine) -> None:
        with pytest.raises(ObjectLostError, match="another session"):
            engine.watch(_Foreign(), lambda error: None)  # type: ignore[arg-type]  # the mistake is the point


class _Foreign:
    """Something that is no reference of this engine."""
