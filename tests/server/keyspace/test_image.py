import json

import pytest
from hypothesis import given

from alula.errors import CommandError
from alula.server._dump import Dumped
from alula.server._forms import ModelForm
from alula.server._keyspace._image import MAGIC, head_of, pack, unpack
from alula.server._tensors import DTYPES, Tensor
from tests.server.dumped import facts, values

TENSOR = Tensor(DTYPES[b"INT8"], (3,), b"\1\2\3")
MODEL = ModelForm(backend="ONNX", device=b"cpu", tag=b"\xff", inputs=(b"a",), outputs=(b"b",), blob=b"graph")


@given(values)
def test_what_was_packed_comes_back(value: Dumped) -> None:
    assert facts(unpack(pack(value))) == facts(value)


def test_the_format_is_the_documented_one() -> None:
    head = b'{"dtype":"INT8","shape":[3]}'
    assert pack(TENSOR) == b"\x9aALULA\x01T" + bytes((len(head), 0, 0, 0)) + head + b"\1\2\3"
    packed = pack(MODEL)
    size = int.from_bytes(packed[8:12], "little")
    fields = json.loads(packed[12 : 12 + size])
    assert (packed[:8], packed[12 + size :]) == (MAGIC + b"M", b"graph")
    assert {name: fields[name] for name in ("backend", "device", "tag", "inputs")} == {
        "backend": "ONNX", "device": "cpu", "tag": "\xff", "inputs": ["a"],
    }  # fmt: skip


def test_models_with_the_same_head_are_the_same() -> None:
    head = head_of(pack(MODEL))
    assert pack(MODEL).startswith(head)
    other = ModelForm(
        backend="ONNX", device=b"cpu", tag=b"\xff", inputs=(b"a",), outputs=(b"b",), blob=b"grapH"
    )
    assert not pack(other).startswith(head)


@pytest.mark.parametrize(
    "data",
    [
        MAGIC,
        MAGIC + b"T\xff\0\0\0{}",
        MAGIC + b"X\2\0\0\0{}",
        MAGIC + b"T\2\0\0\0{}",
        MAGIC + b"T\2\0\0\0{]",
        MAGIC + b"M\2\0\0\0[]",
    ],
)
def test_what_only_begins_like_a_value_is_refused(data: bytes) -> None:
    with pytest.raises(CommandError, match="begin like a value of Alula"):
        unpack(data)
