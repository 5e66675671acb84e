"""Values of every kind as they are kept, made by hypothesis."""

import numpy as np
from hypothesis import strategies as st

from alula.server._dump import Dumped
from alula.server._forms import ModelForm, ScriptForm
from alula.server._tensors import DTYPES, Tensor

shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
words = st.binary(max_size=40)
names = st.lists(st.binary(max_size=9).map(lambda name: name.replace(b"\0", b"")), max_size=3).map(tuple)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    dtype, shape = draw(st.sampled_from(list(DTYPES.values()))), draw(shapes)
    count = int(np.prod(shape, dtype=int))
    if not dtype.size:
        items = draw(st.lists(names.map(b"".join), min_size=count, max_size=count))
        return Tensor(dtype, shape, b"".join(item + b"\0" for item in items))
    data = draw(st.binary(min_size=count * dtype.size, max_size=count * dtype.size))
    return Tensor(dtype, shape, bytes(b & 1 for b in data) if dtype.name == "BOOL" else data)


small = st.integers(0, 1 << 40)
models = st.builds(
    ModelForm, backend=st.sampled_from(["TF", "TFLITE", "TORCH", "ONNX"]), device=st.just(b"cpu:1"),
    tag=words, batchsize=small, minbatchsize=small, minbatchtimeout=small, inputs=names, outputs=names,
    blob=words,
)  # fmt: skip
scripts = st.builds(ScriptForm, device=st.just(b"GPU"), tag=words, entry_points=names, source=st.just(b"def"))
values = st.one_of(
    tensors(), models, scripts, words, st.lists(words, min_size=1), st.dictionaries(words, words, min_size=1),
    st.integers(-(1 << 33), 1 << 33).map(b"%d".__mod__), st.frozensets(words, min_size=1),
)  # fmt: skip


def facts(value: Dumped) -> object:
    """What has to be equal: tensors themselves compare by identity."""
    return (value.dtype, value.shape, bytes(value.data)) if isinstance(value, Tensor) else value
