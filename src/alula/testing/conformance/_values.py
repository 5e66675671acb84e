"""`put`, `get` and `wait`: what they accept, in which order they answer, and when they give up."""

import threading
from typing import Any

import pytest

from ...errors import GetTimeoutError
from ...futures import ObjectRef, get, put, remote, wait
from .._turnstile import Turnstile
from ._part import LIMIT, Part, value

__all__ = ["Gets", "Puts", "Waits", "echo", "fail", "hold"]


@remote
def echo(given: Any) -> Any:
    """Give back what came."""
    return given


@remote
def hold(turnstile: Turnstile, given: Any = None) -> Any:
    """Give back what came, but not before the test allows it."""
    turnstile.wait()
    return given


@remote
def fail(message: str) -> None:
    """Raise."""
    raise ValueError(message)


class Puts(Part):
    """`put`."""

    @pytest.mark.parametrize("given", [None, 0, "text", b"bytes", [1, (2, {"three": {4}})], 1 << 200])
    def test_what_is_put_can_be_got(self, given: object) -> None:
        assert value(put(given)) == given

    def test_a_large_value_can_be_got(self) -> None:
        text = "x" * 3_000_000
        assert value(put(text)) == text

    def test_a_reference_cannot_be_put(self) -> None:
        with pytest.raises(TypeError, match="ObjectRef"):
            put(put(1))

    def test_a_reference_in_a_list_can_be_put(self) -> None:
        [inner] = value(put([put("inner")]))
        assert value(inner) == "inner"

    def test_what_cannot_be_pickled_is_refused_by_name(self) -> None:
        with pytest.raises(TypeError, match="lock"):
            put({"guard": threading.Lock()})

    def test_a_value_is_a_copy(self) -> None:
        given = [1]
        ref = put(given)
        given.append(2)
        value(ref).append(3)
        assert value(ref) == [1]


class Gets(Part):
    """`get`."""

    def test_a_list_comes_in_its_order(self) -> None:
        assert get([echo.remote(i) for i in range(20)], timeout=LIMIT) == list(range(20))

    def test_duplicates_are_allowed(self) -> None:
        one, two = put(1), put(2)
        assert get([one, two, one], timeout=LIMIT) == [1, 2, 1]

    def test_an_empty_list_gives_an_empty_list(self) -> None:
        assert get([]) == []

    @pytest.mark.parametrize("wrong", [(), 1, "ref", None, {}])
    def test_anything_but_references_is_refused(self, wrong: Any) -> None:
        with pytest.raises(ValueError, match="ObjectRef"):
            get(wrong)

    def test_a_tuple_of_references_is_refused(self) -> None:
        with pytest.raises(ValueError, match="tuple"):
            get((put(1),))  # type: ignore[call-overload]  # the mistake is the point

    def test_a_list_with_something_else_in_it_is_refused(self) -> None:
        with pytest.raises(ValueError, match="item 1 is int"):
            get([put(1), 2])  # type: ignore[arg-type]  # the mistake is the point

    def test_timeout_zero_gives_what_is_there(self) -> None:
        assert get(put(1), timeout=0) == 1

    @pytest.mark.parametrize("timeout", [0, 0.01])
    def test_a_late_value_is_a_timeout_and_may_still_be_got(
        self, turnstile: Turnstile, timeout: float
    ) -> None:
        ref = hold.remote(turnstile, 7)
        with pytest.raises(GetTimeoutError) as caught:
            get(ref, timeout=timeout)
        assert isinstance(caught.value, TimeoutError)
        turnstile.let()
        assert value(ref) == 7

    def test_a_late_value_in_a_list_is_a_timeout(self, turnstile: Turnstile) -> None:
        with pytest.raises(GetTimeoutError, match="1 of 2"):
            get([put(1), hold.remote(turnstile)], timeout=0.01)

    def test_a_negative_timeout_waits_for_ever(self, turnstile: Turnstile) -> None:
        ref = hold.remote(turnstile, 7)
        turnstile.arrived()
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(get(ref, timeout=-1)))
        thread.start()
        turnstile.let()
        thread.join(LIMIT)
        assert found == [7]

    def test_the_first_error_is_raised_without_waiting_for_the_others(self, turnstile: Turnstile) -> None:
        with pytest.raises(ValueError, match="first"):
            get([hold.remote(turnstile), fail.remote("first")], timeout=LIMIT)

    def test_an_error_is_raised_at_every_get(self) -> None:
        ref = fail.remote("again")
        for _ in range(2):
            with pytest.raises(ValueError, match="again"):
                value(ref)

    def test_many_threads_may_wait_for_one_value(self, turnstile: Turnstile) -> None:
        ref = hold.remote(turnstile, 7)
        found: list[int] = []
        threads = [threading.Thread(target=lambda: found.append(value(ref))) for _ in range(8)]
        for thread in threads:
            thread.start()
        turnstile.let()
        for thread in threads:
            thread.join(LIMIT)
        assert found == [7] * 8


class Waits(Part):
    """`wait`."""

    def test_an_empty_list_gives_two_empty_lists(self) -> None:
        assert wait([]) == ([], [])

    def test_both_lists_keep_the_order_of_the_input(self, turnstile: Turnstile) -> None:
        a, b, c, d = put(1), hold.remote(turnstile), put(2), put(3)
        assert wait([a, b, c, d], num_returns=3, timeout=LIMIT) == ([a, c, d], [b])

    def test_no_more_are_ready_than_were_asked_for(self) -> None:
        refs = [put(i) for i in range(5)]
        for count in (1, 3):
            ready, rest = wait(refs, num_returns=count, timeout=LIMIT)
            assert len(ready) == count
            assert ready == [ref for ref in refs if ref in ready]
            assert rest == [ref for ref in refs if ref not in ready]

    def test_a_failed_task_is_ready(self, turnstile: Turnstile) -> None:
        pending, failed = hold.remote(turnstile), fail.remote("failed")
        assert wait([pending, failed], timeout=LIMIT) == ([failed], [pending])

    def test_it_waits_until_enough_are_ready(self, turnstile: Turnstile) -> None:
        refs = [hold.remote(turnstile), put(1)]
        threading.Timer(0, turnstile.let).start()
        assert wait(refs, num_returns=2, timeout=LIMIT) == (refs, [])

    @pytest.mark.parametrize("timeout", [0, 0.01])
    def test_after_the_timeout_it_gives_what_is_there(self, turnstile: Turnstile, timeout: float) -> None:
        pending, ready = hold.remote(turnstile), put(1)
        assert wait([pending, ready], num_returns=2, timeout=timeout) == ([ready], [pending])

    def test_duplicates_are_refused(self) -> None:
        ref = put(1)
        with pytest.raises(ValueError, match="once"):
            wait([ref, ref])

    @pytest.mark.parametrize("count", [-1, 0, 3])
    def test_a_count_out_of_range_is_refused(self, count: int) -> None:
        with pytest.raises(ValueError, match="num_returns"):
            wait([put(1), put(2)], num_returns=count)

    def test_a_negative_timeout_is_refused(self) -> None:
        with pytest.raises(ValueError, match="timeout"):
            wait([put(1)], timeout=-1)

    @pytest.mark.parametrize("wrong", [(), 1, None, [1]])
    def test_anything_but_a_list_of_references_is_refused(self, wrong: Any) -> None:
        with pytest.raises(TypeError, match="ObjectRef"):
            wait(wrong)

    def test_a_reference_alone_is_refused(self) -> None:
        with pytest.raises(TypeError, match="list"):
            wait(put(1))  # type: ignore[arg-type]  # the mistake is the point

    def test_a_task_may_wait(self, turnstile: Turnstile) -> None:
        @remote
        def which(refs: list[ObjectRef[Any]]) -> list[bool]:
            ready, rest = wait(refs, timeout=LIMIT)
            return [refs[1] in ready, refs[0] in rest]

        assert value(which.remote([hold.remote(turnstile), put(1)])) == [True, True]

    def test_values_need_not_be_fetched(self) -> None:
        ref = put(1)
        assert wait([ref], fetch_local=False, timeout=LIMIT) == ([ref], [])
