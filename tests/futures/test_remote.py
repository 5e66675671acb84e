"""Functions travel by id, are pickled once, and come apart again with all that stands inside them."""

import gc
import weakref
from typing import Any

import cloudpickle
import numpy as np
import pytest

from alula.futures import ActorOptions, ActorType, Definition, Function, TaskOptions, _remote, method
from alula.futures._remote import learn


def function(target: Any) -> Function:
    return Function(target, TaskOptions())


def elsewhere(definition: Definition) -> Definition:
    """Send a definition to a process that knows none."""
    bundle = definition.bundle()
    known, _remote._known = _remote._known, weakref.WeakValueDictionary()
    try:
        return learn(bundle)
    finally:
        for key, arrived in list(_remote._known.items()):
            known.setdefault(key, arrived)
        _remote._known = known


def test_a_definition_is_named_after_its_target_and_known_by_its_id() -> None:
    first, second = function(len), function(len)
    assert first.name == "builtins.len"
    assert first.definition.id != second.definition.id


def test_what_a_closure_holds_is_taken_at_the_first_pickling() -> None:
    x = 1
    made = function(lambda: x)
    made.definition.pickled()
    x = 2
    assert elsewhere(made.definition).target() == 1


def test_arrays_in_a_closure_travel_inside_the_pickle() -> None:
    array = np.arange(10)
    assert elsewhere(function(lambda: array).definition).target().tolist() == list(range(10))


def test_a_function_pickles_with_its_options_and_arrives_as_the_same() -> None:
    made = function(lambda x: x + 1).with_options({"num_cpus": 2})
    arrived = cloudpickle.loads(cloudpickle.dumps(made))
    assert arrived.definition is made.definition
    assert arrived.options.num_cpus == 2


def test_a_bundle_holds_whatever_is_reached_once() -> None:
    c = function(lambda: "c")
    b = function(lambda: c)
    a = function(lambda: (b, c))
    bundle = a.definition.bundle()
    assert bundle[0][0] == a.definition.id
    assert {key for key, *_ in bundle} == {made.definition.id for made in (a, b, c)}
    assert len(bundle) == 3


def test_what_arrived_can_be_sent_on_with_all_that_stands_inside() -> None:
    c = function(lambda: "c")
    b = function(lambda: c)
    a = elsewhere(function(lambda: b).definition)
    [inner] = a.inner()
    assert [key for key, *_ in inner.bundle()] == [b.definition.id, c.definition.id]
    assert elsewhere(inner).target().target() == "c"


def test_a_recursive_function_stands_inside_itself_by_its_id() -> None:
    def count(n: int) -> Any:
        return made if n else "end"

    made = function(count)
    assert [key for key, *_ in made.definition.bundle()] == [made.definition.id]
    arrived = elsewhere(made.definition)
    assert arrived.target(1).definition.target(0) == "end"


def test_it_is_unpickled_once() -> None:
    arrived = elsewhere(function(lambda: None).definition)
    assert arrived.target is arrived.target
    arrived.inner()
    assert arrived.target is arrived.target


def test_a_class_travels_with_its_methods_and_how_much_they_return() -> None:
    class Made:
        def one(self) -> int:
            return 1

        @method(num_returns=2)
        def two(self) -> tuple[int, int]:
            return 1, 2

    made = ActorType(Made, ActorOptions())
    assert {name: made.methods[name].num_returns for name in ("one", "two")} == {"one": 1, "two": 2}
    arrived = cloudpickle.loads(cloudpickle.dumps(made))
    assert arrived.methods == made.methods
    assert arrived.target().one() == 1


def test_what_cannot_be_pickled_is_refused_by_name() -> None:
    generator = (i for i in range(3))
    made = function(lambda: generator)
    with pytest.raises(TypeError, match="'generator'"):
        made.definition.pickled()


def test_definitions_that_nobody_uses_are_forgotten() -> None:
    gc.collect()
    before = len(_remote._known)
    made = [function(lambda: None) for _ in range(10)]
    arrived = [elsewhere(one.definition) for one in made]
    assert len(_remote._known) == before + 10
    del made, arrived
    gc.collect()
    assert len(_remote._known) == before


def test_captured_references_travel_beside_the_pickle() -> None:
    class Reference:
        def __reduce__(self) -> Any:
            return _remote.capture(self) or pytest.fail("it was pickled outside of a definition")

    first, second = Reference(), Reference()
    definition = function(lambda: (first, second, first)).definition
    [(_, _, _, captured)] = definition.bundle()
    assert captured == (first, second)
    arrived = elsewhere(definition)
    assert arrived.target() == (first, second, first)
    assert definition.captured == arrived.captured


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((1,), {}), ((1, 2), {}), ((1, 2, 3, 4), {}), ((1,), {"key": 3}), ((1,), {"b": 2, "other": 3})],
)
def test_arguments_that_fit_pass(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    def target(a: int, b: int = 2, *rest: int, key: int = 1, **others: int) -> None: ...

    function(target).check(args, kwargs)


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((1, 2, 3), {}), ((1,), {"c": 1}), ((1,), {"a": 1}), ((1, 2), {"b": 1})]
)
def test_arguments_that_do_not_fit_are_refused(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    def target(a: int, b: int = 2) -> None: ...

    with pytest.raises(TypeError, match="target"):
        function(target).check(args, kwargs)


def test_a_keyword_that_must_be_given_is_missed() -> None:
    def target(a: int, *, key: int) -> None: ...

    with pytest.raises(TypeError, match="key"):
        function(target).check((1,), {})


def test_a_function_without_a_signature_is_left_to_the_call() -> None:
    function(max).check((1, 2, 3, 4), {"no": "such"})


def test_a_large_function_is_warned_of_by_name() -> None:
    data = b"x" * 11_000_000
    with pytest.warns(RuntimeWarning, match=r"a_large_function_is_warned_of.* is 11 MB .* put\(\)"):
        function(lambda: data).definition.pickled()


def test_a_huge_function_is_refused_by_name() -> None:
    data = b"x" * 101_000_000
    with pytest.raises(ValueError, match=r"a_huge_function_is_refused.* is 101 MB .* 100 MB"):
        function(lambda: data).definition.pickled()
