from hypothesis import given
from hypothesis import strategies as st
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    SparseTensorProto,
    TensorProto,
    TrainingInfoProto,
    helper,
)

from alula.server._backends._protobuf import has_external_data
from tests.server.world import MUL, SPLIT

INSIDE = TensorProto(name="w", data_type=1, dims=[1], raw_data=b"\0" * 4)
OUTSIDE = TensorProto(name="w", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)


def models(tensor: TensorProto) -> list[ModelProto]:
    """Models that hold the tensor at every place where one may be."""
    sparse = SparseTensorProto(values=tensor)
    attributes = [
        AttributeProto(t=tensor),
        AttributeProto(tensors=[tensor]),
        AttributeProto(g=GraphProto(initializer=[tensor])),
        AttributeProto(graphs=[GraphProto(initializer=[INSIDE, tensor])]),
        AttributeProto(sparse_tensor=sparse),
        AttributeProto(sparse_tensors=[sparse]),
    ]
    nodes = [helper.make_node("Constant", [], ["y"]) for _ in attributes]
    for node, attribute in zip(nodes, attributes, strict=True):
        node.attribute.append(attribute)
    graphs = [GraphProto(node=[node]) for node in nodes]
    graphs += [
        GraphProto(initializer=[tensor]),
        GraphProto(sparse_initializer=[SparseTensorProto(indices=tensor)]),
    ]
    function = helper.make_function("d", "f", [], [], nodes[:1], [helper.make_opsetid("", 17)])
    return [
        *[ModelProto(graph=graph) for graph in graphs],
        *[ModelProto(training_info=[TrainingInfoProto(algorithm=graph)]) for graph in graphs],
        ModelProto(functions=[function]),
    ]


def test_a_tensor_in_another_file_is_found_wherever_it_hides() -> None:
    assert all(has_external_data(model.SerializeToString()) for model in models(OUTSIDE))


def test_tensors_inside_are_no_reason_to_refuse_a_model() -> None:
    blobs = [model.SerializeToString() for model in models(INSIDE)]
    assert not any(has_external_data(blob) for blob in [*blobs, MUL, SPLIT])


def test_what_parsers_skip_hides_nothing() -> None:
    blob = ModelProto(graph=GraphProto(initializer=[OUTSIDE])).SerializeToString()
    group = b"\xa3\x06\x08\x01\xa4\x06"  # field 100: a group with a number in it
    fixed = b"\xa1\x06" + bytes(8) + b"\xa5\x06" + bytes(4)
    assert has_external_data(group + fixed + blob)


@given(st.binary(max_size=200))
def test_any_bytes_are_walked_to_an_end(blob: bytes) -> None:
    has_external_data(blob)


@given(st.binary(max_size=100))
def test_a_number_without_an_end_ends_the_walk(tail: bytes) -> None:
    assert not has_external_data(b"\xff" * 1000 + tail)
