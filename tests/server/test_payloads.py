import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.errors import CommandError
from alula.server import Tensor
from alula.server._payloads import Layout, values
from alula.server._tensors import DTYPES

INTEGERS = ["INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16"]


def of_values(dtype: str, *words: bytes) -> Tensor:
    return Layout(DTYPES[dtype.encode()], (len(words),), "values").read(list(words))


def of_blob(dtype: str, shape: tuple[int, ...], blob: bytes) -> Tensor:
    return Layout(DTYPES[dtype.encode()], shape, "blob").read([blob])


@pytest.mark.parametrize("dtype", INTEGERS)
@given(data=st.data())
def test_integers_in_range_are_read_and_given_back(dtype: str, data: st.DataObject) -> None:
    info = np.iinfo(DTYPES[dtype.encode()].array)
    least = int(info.min) + (info.min < 0)
    numbers = data.draw(st.lists(st.integers(least, int(info.max)), max_size=5))
    assert values(of_values(dtype, *[b"%d" % n for n in numbers])) == numbers


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_out_of_range_are_refused_and_the_least_signed_one_too(dtype: str) -> None:
    info = np.iinfo(DTYPES[dtype.encode()].array)
    for number in (int(info.max) + 1, int(info.min) - 1, *([int(info.min)] if info.min else [])):
        with pytest.raises(CommandError, match=r"^ERR invalid value$"):
            of_values(dtype, b"%d" % number)


@pytest.mark.parametrize("dtype", [*INTEGERS, "BOOL"])
@pytest.mark.parametrize("word", [b"", b"+1", b"01", b" 1", b"1.87", b"1x", b"nan"])
def test_what_is_no_strict_integer_is_refused(dtype: str, word: bytes) -> None:
    with pytest.raises(CommandError, match=r"^ERR invalid value$"):
        of_values(dtype, word)


def test_the_least_signed_number_may_come_in_a_blob() -> None:
    assert values(of_blob("INT8", (2,), b"\x80\x7f")) == [-128, 127]


def test_bools_are_0_and_1() -> None:
    assert values(of_values("BOOL", b"1", b"0")) == [1, 0]
    with pytest.raises(CommandError, match="invalid value"):
        of_values("BOOL", b"2")


@given(st.lists(st.floats(allow_nan=False), max_size=4))
def test_doubles_are_read_as_they_are_written(numbers: list[float]) -> None:
    assert values(of_values("DOUBLE", *[b"%.17g" % n for n in numbers])) == numbers


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_hexadecimal_floats_are_read(number: float) -> None:
    assert values(of_values("DOUBLE", number.hex().encode())) == [number]


@pytest.mark.parametrize(
    ("word", "number"),
    [
        (b"inf", math.inf),
        (b"-Infinity", -math.inf),
        (b"+INF", math.inf),
        (b"+1.5", 1.5),
        (b".5", 0.5),
        (b"5.", 5.0),
        (b"1e3", 1000.0),
        (b"0x10", 16.0),
        (b"-0", 0.0),
        (b"0e9", 0.0),
        (b"1e300", math.inf),  # as a FLOAT: a C cast of the double makes it so
    ],
)
def test_floats_in_all_of_c_s_spellings(word: bytes, number: float) -> None:
    assert values(of_values("FLOAT", word)) == [number]


NO_FLOATS = [b"", b" 1", b"1 ", b"nan", b"-nan", b"1_0", b"1e", b"0x", b"1x", b"."]
OUT_OF_RANGE = [b"1e999", b"-1e999", b"1e-999", b"0x1p9999", b"0x1p-9999"]


@pytest.mark.parametrize("word", [*NO_FLOATS, *OUT_OF_RANGE])
def test_what_is_no_complete_float_in_range_is_refused(word: bytes) -> None:
    with pytest.raises(CommandError, match=r"^ERR invalid value$"):
        of_values("DOUBLE", word)


def test_a_string_may_bring_its_closing_nul_and_no_other() -> None:
    tensor = of_values("STRING", b"a\0", b"", b"\xff")
    assert (values(tensor), tensor.data) == ([b"a", b"", b"\xff"], b"a\0\0\xff\0")
    with pytest.raises(CommandError, match=r"^ERR C-string value contains null character$"):
        of_values("STRING", b"a\0b")


@pytest.mark.parametrize(
    ("dtype", "shape", "blob", "why"),
    [
        ("FLOAT", (2,), b"1234567", "data length does not match tensor shape and type"),
        ("FLOAT", (), b"", "data length does not match tensor shape and type"),
        ("BOOL", (2,), b"\1\2", "BOOL tensor elements must be 0 or 1"),
        ("BOOL", (2,), b"\2\1", "BOOL tensor elements must be 0 or 1"),
        ("STRING", (2,), b"a\0b", "Number of string elements in data blob does not match tensor length"),
        ("STRING", (2,), b"ab\0", "Number of string elements in data blob does not match tensor length"),
        ("STRING", (1,), b"", "Number of string elements in data blob does not match tensor length"),
    ],
)
def test_a_blob_that_does_not_fit_is_refused(
    dtype: str, shape: tuple[int, ...], blob: bytes, why: str
) -> None:
    with pytest.raises(CommandError) as caught:
        of_blob(dtype, shape, blob)
    assert caught.value.text == f"ERR {why}"


@pytest.mark.parametrize("dtype", [name.decode() for name in DTYPES])
def test_without_a_payload_all_is_zero(dtype: str) -> None:
    tensor = Layout(DTYPES[dtype.encode()], (2, 3), "zeros").read([])
    assert values(tensor) == [b"" if dtype == "STRING" else 0] * 6


def test_zeros_beyond_the_limit_are_refused_before_memory_is_asked_for() -> None:
    with pytest.raises(CommandError, match="cannot be larger"):
        Layout(DTYPES[b"DOUBLE"], (1 << 62, 1 << 62), "zeros").read([])


def test_single_precision_is_widened_when_it_is_shown() -> None:
    assert values(of_blob("FLOAT", (1,), struct.pack("<f", 0.1))) == [0.10000000149011612]
