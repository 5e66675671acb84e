"""Values as blobs, by size and kind, and the references to them."""

import pickle
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

import alula
from alula.errors import NodeDiedError, TaskError
from alula.futures import current
from alula.futures._embedded._engine import Embedded
from alula.futures._embedded._leases import Task
from alula.futures._embedded._values import BODY, ERROR, INLINE, NONE, PACKED, SEGMENT, Blob, Ref, to_blob
from alula.futures._errors import pack_error, pack_task_error


@pytest.fixture(scope="module")
def engine() -> Iterator[Embedded]:
    alula.init(num_cpus=1)
    engine = current()
    assert isinstance(engine, Embedded)
    yield engine
    alula.shutdown()


def new(engine: Embedded, blob: Blob | None = None) -> Ref[Any]:
    with engine.lock:
        [ref] = engine.new_refs(1)
    ref.blob = blob
    return ref


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, BODY),
        ({"a": [1, 2.0, "b"]}, BODY),
        (b"x" * INLINE, SEGMENT),
        (["x" * INLINE], SEGMENT),
        (np.arange(10), PACKED),
        (np.arange(INLINE), SEGMENT),
        (np.arange(10)[::2], BODY),
    ],
    ids=["none", "plain", "bytes", "list", "array", "large array", "scattered array"],
)
def test_a_value_is_kept_by_its_size(value: Any, kind: int) -> None:
    blob = to_blob(value)
    assert blob.kind == kind
    assert blob.size == (0 if kind == SEGMENT else len(blob.data))
    np.testing.assert_equal(blob.load(), value)


def test_each_load_gives_a_value_of_its_own() -> None:
    blob = to_blob([1])
    assert blob.load() is not blob.load()


def test_none_needs_no_pickling() -> None:
    assert to_blob(None) is NONE


@pytest.mark.parametrize("size", [10, INLINE])
def test_arrays_arrive_read_only(size: int) -> None:
    assert not to_blob(np.zeros(size)).load().flags.writeable


def test_what_cannot_be_pickled_is_named() -> None:
    with pytest.raises(TypeError, match=r"the thing\['lock'\]"):
        to_blob({"lock": threading.Lock()}, "the thing")


def test_an_error_is_raised_when_it_is_loaded() -> None:
    blob = Blob(ERROR, pack_error(NodeDiedError("gone")))
    with pytest.raises(NodeDiedError, match="gone"):
        blob.load()
    assert isinstance(blob.error(), NodeDiedError)
    with pytest.raises(TaskError):
        Blob(ERROR, pack_task_error(ValueError("bad"), "f")).load()
    assert NONE.error() is None


@pytest.mark.parametrize("rest", [(), np.zeros(10), np.zeros(INLINE)], ids=["alone", "packed", "segment"])
def test_references_inside_are_kept_beside_the_pickle(engine: Embedded, rest: Any) -> None:
    first, second = new(engine), new(engine, NONE)
    blob = to_blob([first, {"x": second}, first, rest])
    assert blob.refs == (first, second)
    loaded = blob.load()
    assert loaded[0] is first
    assert loaded[1]["x"] is second
    assert loaded[2] is first


def test_a_reference_outside_of_a_value_cannot_be_pickled(engine: Embedded) -> None:
    with pytest.raises(TypeError, match="get"):
        pickle.dumps(new(engine))
    with pytest.raises(RuntimeError, match="session"):
        pickle.loads(to_blob([new(engine)]).data)


def test_references_are_equal_by_identity_of_what_they_name(engine: Embedded) -> None:
    ref = new(engine)
    same = Ref[Any](engine, ref.owner, ref.number)
    others = [new(engine), Ref[Any](engine, b"another!", ref.number), ref.number]
    assert ref == same
    assert len({ref, same}) == 1
    assert ref.binary() == same.binary()
    assert all(ref != other for other in others)
    assert len(ref.binary()) == 16
    assert repr(ref) == f"ObjectRef({ref.hex()})"


def test_a_reference_settles_once_and_tells_everybody(engine: Embedded) -> None:
    for count in range(4):
        ref = new(engine)
        told: list[int] = []
        for i in range(count):
            ref.on_settled(partial(told.append, i))
        for callback in ref.settle(NONE) or ():
            assert not isinstance(callback, Task)
            callback()
        assert told == list(range(count))
        assert ref.settle(to_blob(1)) is None
        assert ref.blob is NONE
