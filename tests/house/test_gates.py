"""Every gate that a test may arm is somewhere on the way, and no other is."""

import ast
from collections.abc import Iterator

from alula._core._gates import GATES
from tests.house.source import modules


def nodes() -> Iterator[ast.AST]:
    """Give all the code of the package, but for the list of gates itself."""
    for module in modules().values():
        if module.name != "alula._core._gates":
            yield from ast.walk(module.tree)


def passed() -> set[object]:
    """Give the names in calls of `gate`."""
    calls = [node for node in nodes() if isinstance(node, ast.Call) and ast.unparse(node.func) == "gate"]
    return {each.value for call in calls for each in call.args if isinstance(each, ast.Constant)}


def test_a_gate_that_is_passed_can_be_armed() -> None:
    assert passed() <= GATES


def test_a_gate_that_can_be_armed_is_passed_somewhere() -> None:
    """Its name may also be handed to whoever passes it."""
    texts = {node.value for node in nodes() if isinstance(node, ast.Constant)}
    assert set(GATES) <= texts
