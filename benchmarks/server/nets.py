"""The models of the benchmark, with weights at random: only their shapes count."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


class Net:
    """A model on its way: nodes one after the other, with their weights."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(0)

    def weight(self, *shape: int) -> str:
        """Add weights; give their name."""
        name = f"w{len(self.weights)}"
        values = self._random.normal(size=shape, scale=0.1).astype(np.float32)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def then(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; give the name of its output."""
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def dense(self, x: str, rows: int, columns: int) -> str:
        """Add a layer."""
        return self.then("Gemm", x, self.weight(rows, columns), self.weight(columns))

    def file(self, inputs: dict[str, list[int | None]], output: str) -> bytes:
        """Give the model as a file."""
        given = [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()]
        made = [helper.make_tensor_value_info(output, FLOAT, None)]
        graph = helper.make_graph(self.nodes, "net", given, made, self.weights)
        opset = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=9)
        blob: bytes = model.SerializeToString()
        return blob


def mlp() -> bytes:
    """784 numbers to 10, by 128."""
    net = Net()
    hidden = net.then("Relu", net.dense("x", 784, 128))
    return net.file({"x": [None, 784]}, net.dense(hidden, 128, 10))


def fraud() -> bytes:
    """30 numbers of a transaction and 256 of its past to two, by 64."""
    net = Net()
    both = net.then("Concat", "now", "past", axis=1)
    hidden = net.then("Relu", net.dense(both, 286, 64))
    logits = net.dense(hidden, 64, 2)
    return net.file({"now": [None, 30], "past": [None, 256]}, net.then("Softmax", logits))


def conv() -> bytes:
    """28 x 28 pixels to 10 numbers by two convolutions of 16 and 32 channels: 25 million operations."""
    net, x = Net(), "x"
    for before, after in ((1, 16), (16, 32), (32, 35)):
        x = net.then("Conv", x, net.weight(after, before, 3, 3), pads=[1, 1, 1, 1], kernel_shape=[3, 3])
        x = net.then("Relu", x)
    x = net.then("Flatten", net.then("GlobalAveragePool", x))
    return net.file({"x": [None, 1, 28, 28]}, net.dense(x, 35, 10))


def mean() -> bytes:
    """The mean of three."""
    net = Net()
    inputs: dict[str, list[int | None]] = {name: [None, 10] for name in "abc"}
    return net.file(inputs, net.then("Mean", *inputs))


def identity() -> bytes:
    """The same again."""
    net = Net()
    return net.file({"x": [None]}, net.then("Identity", "x"))
