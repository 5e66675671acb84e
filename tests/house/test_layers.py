"""Imports point left, through the front door, and stand at the top of their file."""

import ast
from collections.abc import Callable
from importlib import import_module

import pytest

from alula._core._late import TABLE
from tests.house.source import Import, Module, imports, modules

LAYERS = (
    {"errors"},
    {"_core"},
    {"graph", "store"},
    {"futures", "objects"},
    {"workflow"},
    {"runtime", "server"},
    {"daemon"},
    {"web"},
    {"cli"},
    {"testing"},
)
RANK = {layer: rank for rank, layers in enumerate(LAYERS) for layer in layers}
BY_NAME = {  # who may import modules of ours that only a text names, and what for
    "alula": "each name when it is first asked for",
    "alula._core._late": "what the one table lists",
    "alula.cli._app": "the module of a command when it is called",
    "alula.cli._completion": "what is stored, when a shell asks for it",
    "alula.cli._objects_app": "the same, for the commands about stored objects",
    "alula.cli._runtime_app": "the same, for the commands about tasks",
    "alula.cli._serve_app": "the same, for the server",
    "alula.cli._workflow_app": "the same, for the commands about workflows",
    "alula.cli._keyspace_app": "the same, for the commands about keys",
    "alula.web._serve": "the application, for it brings the web stack",
    "alula.futures._embedded": "the engine, while the node process starts",
    "alula.futures._embedded._resident": "what runs coroutines, for it brings asyncio",
    "alula.futures._session": "the engine that the settings choose",
}


def layer_of(name: str) -> str:
    return (name + "..").split(".")[1]


def is_alias(name: str) -> bool:
    """Tell whether a module stands beside the root, right of all layers."""
    return layer_of(name) not in RANK


def broken(rule: Callable[[Module, Import], bool]) -> dict[str, list[str]]:
    """Give the imports that break a rule, by module."""
    found = {name: [str(e) for e in imports(module) if rule(module, e)] for name, module in modules().items()}
    return {name: lines for name, lines in found.items() if lines}


def points_right(module: Module, each: Import) -> bool:
    here, there = module.layer, layer_of(each.module)
    if is_alias(each.module):
        return module.name != "alula" and each.module.rpartition(".")[0] != module.name
    return not is_alias(module.name) and here != there and RANK[there] >= RANK[here]


def by_the_back_door(module: Module, each: Import) -> bool:
    there = layer_of(each.module)
    if there in (module.layer, "_core", "errors") or is_alias(each.module):
        return False
    package = modules()[f"alula.{there}"]
    return each.module != package.name or (bool(each.name) and each.name not in (package.exports or ()))


def by_its_own_front(module: Module, each: Import) -> bool:
    above = bool(each.name) and f"{module.package}.".startswith(f"{each.module}.")
    return above and each.module != "alula" and modules()[each.module].path.name == "__init__.py"


def not_offered(module: Module, each: Import) -> bool:
    source = modules().get(each.module)
    return bool(each.name and source and source.name != "alula" and each.name not in (source.exports or ()))


def test_imports_point_left() -> None:
    """Those for types alone included; layers side by side never import each other."""
    assert broken(points_right) == {}


def test_another_layer_is_used_through_its_package() -> None:
    assert broken(by_the_back_door) == {}


def test_a_layer_uses_its_own_modules_and_not_its_own_front() -> None:
    assert broken(by_its_own_front) == {}


def test_what_a_module_gives_to_others_is_listed_in_its_all() -> None:
    assert broken(not_offered) == {}


def test_nothing_of_ours_is_imported_inside_a_function() -> None:
    assert broken(lambda module, each: each.inside) == {}


def of_ours(call: ast.Call) -> bool:
    """Tell whether a call imports a module of ours that only a text names."""
    named = ast.unparse(call.func) in ("import_module", "importlib.import_module", "__import__")
    return named and (len(call.args) > 1 or "alula" in ast.unparse(call))


def test_few_import_modules_of_ours_that_only_a_text_names() -> None:
    calls = {
        name: [node for node in ast.walk(module.tree) if isinstance(node, ast.Call) and of_ours(node)]
        for name, module in modules().items()
    }
    assert {name for name, found in calls.items() if found} <= set(BY_NAME)


@pytest.mark.parametrize("name", TABLE)
def test_the_one_table_that_reaches_right_finds_what_it_names(name: str) -> None:
    target, attribute = TABLE[name]
    if target in modules():  # a layer that is not built yet cannot be reached
        assert callable(getattr(import_module(target), attribute))


def test_every_folder_of_the_package_is_a_layer() -> None:
    folders = {layer_of(name) for name, module in modules().items() if module.path.parent.name != "alula"}
    assert folders - {"util", "dag"} <= set(RANK)
