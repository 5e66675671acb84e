import pickle
from threading import Lock
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula._core._pickle import ALIGN, Parts, dump, is_plain, load, pack, pack_chunks, packed_size, unpack

plain_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=20),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(), inner, max_size=3),
    ),
    max_leaves=40,
)
arrays = st.builds(
    lambda shape, dtype, step: np.arange(np.prod(shape), dtype=dtype).reshape(shape)[::step],
    st.lists(st.integers(0, 5), min_size=1, max_size=3),
    st.sampled_from(["u1", "i4", "f4", "f8", "c16"]),
    st.sampled_from([1, 2, -1]),
)


class Refuses:
    def __reduce__(self) -> NoReturn:
        raise TypeError("not for travel")


class Holds:
    def __init__(self, part: object) -> None:
        self.part = part


def there_and_back(value: object) -> Any:
    parts = unpack(memoryview(pack(dump(value))))
    return load(parts.body, parts.buffers)


@given(plain_values)
def test_any_nested_value_comes_back_equal(value: object) -> None:
    assert there_and_back(value) == value


@given(st.lists(arrays, max_size=4), plain_values)
def test_arrays_of_any_form_come_back_equal(values: list[Any], beside: object) -> None:
    back, same = there_and_back((values, beside))
    assert same == beside
    for array, other in zip(values, back, strict=True):
        assert (other.dtype, other.shape) == (array.dtype, array.shape)
        assert np.array_equal(other, array)


@given(st.lists(arrays, max_size=4))
def test_the_packed_size_is_known_before_packing(values: list[Any]) -> None:
    parts = dump(values)
    assert packed_size(parts) == len(pack(parts)) == sum(len(chunk) for chunk in pack_chunks(parts))
    assert parts.size <= packed_size(parts)


@given(st.lists(st.binary(max_size=200), max_size=4), st.binary())
def test_every_buffer_lies_on_a_boundary(contents: list[bytes], body: bytes) -> None:
    packed = memoryview(pack(Parts(body, [memoryview(content) for content in contents])))
    start = np.frombuffer(packed, "u1").ctypes.data
    parts = unpack(packed)
    assert (bytes(parts.body), list(map(bytes, parts.buffers))) == (body, contents)
    for buffer in parts.buffers:
        assert not buffer.nbytes or (np.frombuffer(buffer, "u1").ctypes.data - start) % ALIGN == 0


@given(st.lists(st.binary(max_size=100), min_size=1, max_size=3), st.data())
def test_bytes_that_end_too_early_are_refused(contents: list[bytes], data: st.DataObject) -> None:
    packed = pack(Parts(b"body", [memoryview(content + b"!") for content in contents]))
    short = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(ValueError, match="the bytes end before their"):
        unpack(memoryview(packed)[:short])


def test_a_large_array_is_not_copied_into_its_pickle() -> None:
    array = np.zeros(1 << 20)
    parts = dump({"x": array})
    assert len(parts.body) < 1000
    assert np.shares_memory(np.frombuffer(parts.buffers[0]), array)


def test_arrays_use_the_bytes_where_they_lie_read_only_if_these_are() -> None:
    packed = pack(dump(np.arange(1000)))
    parts = unpack(memoryview(packed))
    array = load(parts.body, parts.buffers)
    assert np.shares_memory(array, np.frombuffer(packed, "u1"))
    assert not array.flags.writeable
    parts = unpack(memoryview(bytearray(packed)))
    assert load(parts.body, parts.buffers).flags.writeable


def test_a_value_inside_itself_comes_back_so() -> None:
    value: list[Any] = [1]
    value.append(value)
    back = there_and_back(value)
    assert back[1] is back


def test_functions_of_the_moment_travel() -> None:
    number = 20
    assert there_and_back([lambda x: x + number])[0](1) == 21


@pytest.mark.parametrize("value", [(), [1, ("a", b"b")], {"x": {1: None}}, 1.5, True])
def test_small_values_of_built_in_types_are_plain(value: object) -> None:
    assert is_plain(value)


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize("value", [Text("x"), [Holds(1)], {1, 2}, [0] * 17, [[[[[]]]]], len])
def test_all_else_is_not_plain(value: object) -> None:
    assert not is_plain(value)


def closure(part: object) -> Any:
    def inner() -> object:
        return part

    return inner


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (Refuses(), r"the Refuses \(a Refuses\)"),
        ({"a": 1, "b": [0, Refuses()]}, r"the dict\['b'\]\[1\] \(a Refuses\)"),
        (Holds(Holds(Refuses())), r"the Holds\.part\.part \(a Refuses\)"),
        (closure({"k": Refuses()}), r"closure\.<locals>\.inner's variable 'part'\['k'\] \(a Refuses\)"),
        ([Lock()], r"the list\[0\] \(a lock\): cannot pickle '_thread.lock' object"),
    ],
)
def test_what_cannot_be_pickled_is_named_with_the_way_to_it(value: object, where: str) -> None:
    with pytest.raises(TypeError, match=f"^cannot pickle {where}") as caught:
        dump(value)
    assert caught.value.__cause__ is not None


def test_the_caller_may_give_the_value_a_name_for_the_message() -> None:
    with pytest.raises(TypeError, match=r"^cannot pickle argument 'x'\[0\]"):
        dump([Refuses()], "argument 'x'")


def test_a_variable_without_a_value_does_not_hide_what_is_wrong() -> None:
    def inner() -> object:
        return later, part

    part = Refuses()
    with pytest.raises(TypeError, match=r"variable 'part' \(a Refuses\)"):
        dump(inner)
    later = 1  # too late for the call above


def test_an_error_of_the_users_own_making_passes_unchanged() -> None:
    class Fails:
        def __reduce__(self) -> NoReturn:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        dump(Fails())


def test_too_deep_a_value_is_refused_as_one_that_cannot_be_pickled() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(TypeError, match="cannot pickle the list"):
        dump(value)


def test_the_plain_shortcut_gives_what_any_unpickler_reads() -> None:
    assert pickle.loads(dump([1, "a"]).body) == [1, "a"]
