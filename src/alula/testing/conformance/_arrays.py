"""Arrays of numbers: read-only wherever they arrive, in place where they are large."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ...futures import Engine, get, put, remote
from .._turnstile import Turnstile
from ._arguments import Box
from ._part import LIMIT, Part, needs, value
from ._values import echo, hold

__all__ = ["Arrays", "LargeArrays"]

Array = np.ndarray[Any, Any]


@remote
def writable(given: Any) -> bool:
    """Tell whether the array that came can be written to."""
    if isinstance(given, list):
        given = given[0]
    # Not every engine's pickles have the same class for what this function calls a `Box`.
    array = given if isinstance(given, np.ndarray) else given.item
    return bool(array.flags.writeable)


@remote
def zeros(size: int) -> Array:
    """Make one."""
    return np.zeros(size)


sizes = pytest.mark.parametrize("size", [10, 200_000], ids=["small", "large"])


class Arrays(Part):
    """What holds for arrays of any size."""

    @sizes
    @pytest.mark.parametrize(
        "wrap", [lambda x: x, lambda x: [x], Box, put], ids=["", "list", "object", "ref"]
    )
    def test_an_argument_is_read_only(self, size: int, wrap: Callable[[Any], Any]) -> None:
        assert value(writable.remote(wrap(np.zeros(size)))) is False

    @sizes
    def test_a_result_is_read_only(self, size: int) -> None:
        with pytest.raises(ValueError, match="read-only"):
            value(zeros.remote(size))[0] = 1
        with pytest.raises(ValueError, match="read-only"):
            value(remote(lambda: [np.zeros(size)]).remote())[0][0] = 1

    @sizes
    def test_what_is_put_is_read_only_and_the_original_is_not(self, size: int) -> None:
        array = np.zeros(size)
        ref = put(array)
        array[:] = 1
        kept = value(ref)
        assert not kept.flags.writeable
        assert not kept.any()

    @sizes
    def test_a_later_change_of_an_array_is_not_seen(self, size: int, turnstile: Turnstile) -> None:
        array = np.zeros(size)
        ref = hold.remote(turnstile, array)
        turnstile.arrived()
        array[:] = 1
        turnstile.let()
        assert not value(ref).any()

    @sizes
    def test_an_actor_gives_a_copy_of_its_state(self, size: int) -> None:
        class Keeper:
            def __init__(self) -> None:
                self.array = np.zeros(size)

            def add(self) -> Array:
                self.array += 1
                return self.array

        keeper = remote(Keeper).remote()
        first, second = get([keeper.add.remote(), keeper.add.remote()], timeout=LIMIT)
        assert (first[0], second[0]) == (1, 2)
        assert not first.flags.writeable

    @sizes
    @pytest.mark.parametrize("dtype", ["f4", "i1", "?", "c16", "M8[s]", "U3", "i4,f8"])
    def test_any_type_comes_back_as_it_went(self, size: int, dtype: str) -> None:
        array = np.zeros(size, dtype)
        back = value(echo.remote(array))
        assert back.dtype == array.dtype
        assert np.array_equal(back, array)

    @sizes
    def test_any_layout_comes_back_as_it_went(self, size: int) -> None:
        square = np.arange(size * 2).reshape(2, size)
        arrays = [square.T, square[:, ::2], square[:, :0], np.array(7), np.asfortranarray(square)]
        for array, back in zip(arrays, value(echo.remote(arrays)), strict=True):
            assert np.array_equal(array, back)
            assert array.shape == back.shape


class LargeArrays(Part):
    """Ten megabytes and more."""

    def test_they_pass_through_a_chain_of_tasks(self) -> None:
        double = remote(lambda x: x * 2)
        array = np.arange(1_300_000.0)
        assert np.array_equal(value(double.remote(double.remote(array))), array * 4)

    def test_they_pass_through_actors(self) -> None:
        class Store:
            def keep(self, array: Array) -> None:
                self.array = array

            def give(self) -> Array:
                return self.array

        store, array = remote(Store).remote(), np.arange(1_300_000.0)
        store.keep.remote(put(array))
        assert np.array_equal(value(store.give.remote()), array)

    def test_several_travel_in_one_value(self) -> None:
        arrays = {name: np.full(200_000, float(name)) for name in range(10)}
        back = value(echo.remote(arrays))
        assert all(np.array_equal(back[name], arrays[name]) for name in arrays)

    def test_two_gets_give_the_same_memory(self, engine: Engine) -> None:
        needs(engine, "sharing")
        ref = put(np.zeros(1_300_000))
        assert np.shares_memory(value(ref), value(ref))

    def test_an_array_outlives_its_reference(self) -> None:
        array = value(put(np.arange(1_300_000)))[5:10]
        for _ in range(5):
            value(put(np.zeros(1_300_000)))
        assert array.tolist() == [5, 6, 7, 8, 9]

    def test_many_readers_share_one(self) -> None:
        ref = put(np.ones(1_300_000))
        total = remote(lambda x: float(x.sum()))
        assert get([total.remote(ref) for _ in range(20)], timeout=LIMIT) == [1_300_000.0] * 20
