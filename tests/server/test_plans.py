"""The plan cache: what is kept, and that it gives what parsing would give."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.errors import CommandError
from alula.server import MemoryKeyspace, Tensor
from alula.server import _plans as module
from alula.server._plans import Bound, Plans
from alula.server._tensors import DTYPES


@pytest.fixture
def plans() -> Plans:
    return Plans()


def bind(plans: Plans, text: str) -> Bound:
    keyspace = MemoryKeyspace()
    keyspace.write({b"k": Tensor(DTYPES[b"INT8"], (1,), b"\7")})
    return plans.bind([word.encode() for word in text.split()], keyspace)


def test_commands_that_differ_in_payloads_share_a_plan(plans: Plans) -> None:
    first = bind(plans, "AI.DAGRUN TENSORSET ~a~ INT8 2 VALUES 1 2 => TENSORGET ~a~")
    second = bind(plans, "AI.DAGRUN TENSORSET ~a~ INT8 2 VALUES 3 4 => TENSORGET ~a~")
    assert first.plan is second.plan
    assert [bytes(bound.tensors[0].data) for bound in (first, second)] == [b"\1\2", b"\3\4"]


@pytest.mark.parametrize(
    "other",
    [
        "AI.DAGRUN TENSORSET ~b~ INT8 2 VALUES 1 2 => TENSORGET ~b~",
        "AI.DAGRUN TENSORSET ~a~ INT16 2 VALUES 1 2 => TENSORGET ~a~",
        "AI.DAGRUN_RO TENSORSET ~a~ INT8 2 VALUES 1 2 => TENSORGET ~a~",
        "AI.DAGRUN TENSORSET ~a~ STRING 2 VALUES 1 2 => TENSORGET ~a~",
    ],
)
def test_commands_that_differ_in_anything_else_do_not(plans: Plans, other: str) -> None:
    first = bind(plans, "AI.DAGRUN TENSORSET ~a~ INT8 2 VALUES 1 2 => TENSORGET ~a~")
    assert bind(plans, other).plan is not first.plan


values = st.sampled_from(["1", "2", "=>", "|>", "x", "VALUES", "BLOB"])
words = st.lists(
    st.sampled_from(["TENSORSET", "~a~", "~b~", "INT8", "STRING", "2", "=>", "TENSORGET"]) | values
)


@given(st.lists(words.map(" ".join), max_size=6), st.data())
def test_a_warm_cache_answers_as_a_cold_one(tails: list[str], data: st.DataObject) -> None:
    """Whatever was cached before, a command gives the plan, the tensors or the error of its own words."""
    begin = "AI.DAGRUN TENSORSET ~a~ INT8 2 VALUES {} {} => TENSORSET ~b~ STRING 2 VALUES {} {} => "
    begin = begin.format(*[data.draw(values) for _ in range(4)])
    warm = Plans()
    for tail in [*tails, *tails]:
        assert outcome(warm, begin + tail) == outcome(Plans(), begin + tail)


def outcome(plans: Plans, text: str) -> object:
    try:
        bound = bind(plans, text)
    except CommandError as error:
        return error.text
    return bound.plan.answers, bound.plan.stores, [(t.dtype.name, t.shape, t.data) for t in bound.tensors]


def test_the_cache_is_bounded(plans: Plans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_PLANS", 3)
    kept = [bind(plans, f"AI.DAGRUN TENSORSET ~{n}~ INT8 1").plan for n in range(3)]
    assert bind(plans, "AI.DAGRUN TENSORSET ~0~ INT8 1").plan is kept[0]
    bind(plans, "AI.DAGRUN TENSORSET ~3~ INT8 1")  # one too many: it starts afresh
    assert bind(plans, "AI.DAGRUN TENSORSET ~0~ INT8 1").plan is not kept[0]


def test_a_command_of_very_many_or_long_words_is_not_kept(plans: Plans) -> None:
    long = f"AI.DAGRUN TENSORSET ~{'x' * 20000}~ INT8 1"
    many = "AI.DAGRUN " + " => ".join(["TENSORGET k"] * 200)
    for text in (long, many):
        assert bind(plans, text).plan is not bind(plans, text).plan


def test_payloads_do_not_count_for_that(plans: Plans) -> None:
    text = f"AI.DAGRUN TENSORSET ~x~ INT8 9000 VALUES {'1 ' * 9000}"
    assert bind(plans, text).plan is bind(plans, text).plan
