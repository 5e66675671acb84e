import pytest

from alula._core._late import TABLE, late


def test_a_name_is_looked_up_at_the_moment_of_the_call() -> None:
    import alula.graph

    assert late("node.picture") is alula.graph.picture


def test_only_names_of_the_table_can_be_looked_up() -> None:
    with pytest.raises(KeyError):
        late("node.fly")
    assert sorted(TABLE) == sorted(
        {"node.execute", "node.picture", "node.run", "node.run_async", "task.instance"}
    )
