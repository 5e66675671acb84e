"""A public name comes from one place, is listed there, and is what it says."""

import ast
import subprocess
import sys

import pytest

import alula
from tests.house.source import modules, packages

MODULES = {"errors", "exceptions", "graph", "runtime", "server", "testing", "workflow"}
RAY = {
    "ObjectRef",
    "ObjectRefGenerator",
    "available_resources",
    "cancel",
    "cluster_resources",
    "exit_actor",
    "get",
    "get_actor",
    "get_runtime_context",
    "init",
    "is_initialized",
    "kill",
    "method",
    "nodes",
    "progress",
    "put",
    "remote",
    "shutdown",
    "timeline",
    "wait",
}
ADDRESSES = {"alula.workflow.exceptions"}  # which, as all of `util`, gives names of others another address
OMEGA = {"bucket", "datasets", "jobs", "logger", "models", "scripts", "setup", "status"}  # `runtime.health`


def bound(statements: list[ast.stmt], levels: tuple[int, ...] = (1,)) -> set[str]:
    """Give the public names that statements bind, but for what they import from outside."""
    names: set[str] = set()
    for node in statements:
        match node:
            case ast.ImportFrom(level=level) if level in levels:
                names |= {alias.asname or alias.name for alias in node.names}
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Assign(targets=targets):
                names |= {
                    each.id for part in targets for each in ast.walk(part) if isinstance(each, ast.Name)
                }
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body):
                names |= bound(body)
    return {name for name in names if not name.startswith("_")}


def test_every_all_names_what_there_is_and_once() -> None:
    """That it is sorted, ruff sees to."""
    for module in modules().values():
        listed = module.exports or []
        assert len(listed) == len(set(listed)), module.name
        levels = (1, 2) if module.layer == "util" or module.name in ADDRESSES else (1,)
        assert set(listed) <= bound(module.tree.body, levels), module.name


@pytest.mark.parametrize("package", [each.name for each in packages() if each.name.count(".") == 1])
def test_a_layer_lists_just_the_public_names_that_it_binds(package: str) -> None:
    module = modules()[package]
    assert set(module.exports or ()) == bound(module.tree.body)
    assert module.exports or package in ("alula._core", "alula.util")


def test_the_root_lists_what_the_design_lists_as_far_as_it_exists() -> None:
    offered = {name for package in packages() for name in package.exports or ()}
    there = {name for name in MODULES if f"alula.{name}" in modules()}
    assert set(alula.__all__) == there | ((RAY | OMEGA) & offered)


def test_the_root_is_as_a_type_checker_sees_it() -> None:
    assert bound(modules()["alula"].tree.body) == set(alula.__all__)


def test_every_name_of_the_root_can_be_had_at_once_in_a_new_process() -> None:
    code = "import alula; print(*[type(getattr(alula, name)).__name__ for name in dir(alula)])"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(there.stdout.split()) == len(alula.__all__) + 1  # and __version__


def test_an_unknown_name_of_the_root_says_which_there_are() -> None:
    with pytest.raises(AttributeError, match=r"alula has no 'remot'; it has .*\bremote\b"):
        _ = alula.remot
