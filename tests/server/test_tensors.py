import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.errors import CommandError
from alula.server import Tensor
from alula.server._tensors import DTYPES

FIXED = [dtype for dtype in DTYPES.values() if dtype.size]


@pytest.mark.parametrize("dtype", FIXED, ids=lambda dtype: dtype.name)
@given(shape=st.lists(st.integers(0, 3), max_size=4).map(tuple))
def test_an_array_becomes_a_tensor_and_the_same_array_again(dtype: object, shape: tuple[int, ...]) -> None:
    assert isinstance(dtype, type(FIXED[0]))
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype.array)
    tensor = Tensor.of(array.copy())
    assert (tensor.dtype, tensor.shape, bytes(tensor.data)) == (dtype, shape, array.tobytes())
    np.testing.assert_array_equal(tensor.array(), array)


def test_an_array_in_another_order_is_laid_out_row_by_row() -> None:
    array = np.arange(6, dtype="f4").reshape(2, 3).T
    assert bytes(Tensor.of(array).data) == np.ascontiguousarray(array).tobytes()


def test_a_large_array_is_not_copied_and_nobody_can_change_it() -> None:
    array = np.zeros(1000, dtype="f8")
    tensor = Tensor.of(array)
    assert np.shares_memory(tensor.array(), array)
    with pytest.raises(ValueError, match="read-only"):
        tensor.array()[0] = 1


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)))
def test_texts_become_byte_strings_with_closing_nuls(texts: list[str]) -> None:
    tensor = Tensor.of(np.array(texts, dtype=object))
    assert tensor.strings() == [text.encode() for text in texts]
    assert tensor.array().tolist() == [text.encode() for text in texts]


@pytest.mark.parametrize("code", ["u4", "u8", "f2", "c8"])
def test_a_type_without_a_name_is_refused(code: str) -> None:
    with pytest.raises(CommandError, match="ERR unsupported dtype"):
        Tensor.of(np.zeros(1, dtype=code))
