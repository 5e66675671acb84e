import hashlib
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula._core._seal import seal, unseal
from alula.errors import SealError

KEY = b"k" * 32
read: list[str] = []


class Tells:
    """Leaves a trace whenever it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return read.append, ("unpickled",)


SEALED = bytes(seal([Tells(), np.arange(50)], key=KEY))


@given(st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner) | st.tuples(inner, inner)))
def test_what_was_sealed_can_be_unsealed(value: object) -> None:
    assert unseal(bytes(seal(value, key=KEY)), key=KEY) == value


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_one_changed_byte_is_noticed_before_anything_is_unpickled(at: int, change: int) -> None:
    damaged = bytearray(SEALED)
    damaged[at] ^= change
    read.clear()
    with pytest.raises(SealError):
        unseal(memoryview(damaged), key=KEY)
    assert read == []


@given(st.integers(0, len(SEALED) - 1))
def test_one_missing_byte_is_noticed_before_anything_is_unpickled(size: int) -> None:
    read.clear()
    with pytest.raises(SealError):
        unseal(SEALED[:size], key=KEY)
    assert read == []


@pytest.mark.parametrize("data", [SEALED, pickle.dumps([1]), b"", b"ALUL\x01"])
def test_what_another_key_signed_or_none_is_refused_by_name(data: bytes) -> None:
    read.clear()
    with pytest.raises(SealError, match="the value of 'x' was refused"):
        unseal(data, key=b"another", what="the value of 'x'")
    assert read == []


def test_the_same_content_has_the_same_digest_whatever_the_key() -> None:
    first, second = seal([1, "a"], key=KEY), seal([1, "a"], key=b"another")
    assert first.digest == second.digest == hashlib.sha256(b"".join(first.content)).hexdigest()
    assert first.head != second.head
    assert seal([1, "b"], key=KEY).digest != first.digest


def test_the_size_is_that_of_the_bytes() -> None:
    sealed = seal(np.arange(100), key=KEY)
    assert sealed.size == len(bytes(sealed))


def test_arrays_are_read_where_they_lie_and_only_written_to_on_request() -> None:
    data = memoryview(bytearray(bytes(seal(np.zeros(100), key=KEY))))
    array = unseal(data, key=KEY)
    assert np.shares_memory(array, np.frombuffer(data, "u1"))
    assert not array.flags.writeable
    assert unseal(data, key=KEY, writable=True).flags.writeable


def test_what_cannot_be_pickled_cannot_be_sealed() -> None:
    with pytest.raises(TypeError, match=r"cannot pickle the list\[0\]"):
        seal([(i for i in "")], key=KEY)
