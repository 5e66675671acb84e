from hypothesis import given
from hypothesis import strategies as st

from alula.workflow._names import Names, task_id

names = st.sampled_from(["f", "f_1", "f_1_1", "f_2", "f_0", "f_01", "g", "g_10"])


@given(st.lists(names, max_size=60))
def test_no_two_tasks_have_the_same_id(given_names: list[str]) -> None:
    counts = Names()
    ids = [task_id(name, counts.give(name)) for name in given_names]
    assert len(set(ids)) == len(ids)


@given(st.lists(names, max_size=40), st.integers(0, 40))
def test_counting_goes_on_from_what_is_recorded(given_names: list[str], pause: int) -> None:
    straight, first = Names(), Names()
    expected = [straight.give(name) for name in given_names]
    numbers = [first.give(name) for name in given_names[:pause]]
    recorded = {name: n + 1 for name, n in zip(given_names, numbers, strict=False)}
    again = Names(recorded)
    assert numbers + [again.give(name) for name in given_names[pause:]] == expected


def test_duplicates_are_numbered_from_one() -> None:
    counts = Names()
    assert [task_id("f", counts.give("f")) for _ in range(3)] == ["f", "f_1", "f_2"]
