"""Every public name says what it gives."""

import ast
import inspect
from importlib import import_module
from typing import Any

from tests.house.source import modules, packages


def public() -> dict[str, Any]:
    """Give every public function and class of ours by its full name."""
    found = {}
    for package in packages():
        module = import_module(package.name)
        for name in package.exports or ():
            each = getattr(module, name)
            if inspect.isclass(each) or inspect.isroutine(each):
                found[f"{package.name}.{name}"] = each
    return found


def undocumented(cls: type) -> list[str]:
    """Give the public methods and properties of a class that no docstring explains."""
    own = {name: each for name, each in vars(cls).items() if not name.startswith("_")}
    members = [n for n, each in own.items() if inspect.isroutine(each) or isinstance(each, property)]
    return [name for name in members if not inspect.getdoc(getattr(cls, name))]


def test_every_public_function_and_class_is_documented() -> None:
    ours = {name: each for name, each in public().items() if each.__module__.startswith("alula")}
    assert [name for name, each in ours.items() if not each.__doc__] == []


def test_every_public_method_and_property_is_documented() -> None:
    classes = {name: each for name, each in public().items() if inspect.isclass(each)}
    missing = {name: undocumented(each) for name, each in classes.items()}
    assert {name: methods for name, methods in missing.items() if methods} == {}


def test_a_module_opens_with_what_it_is_for() -> None:
    opening = {
        name: (ast.get_docstring(module.tree) or "").partition("\n\n")[0]
        for name, module in modules().items()
    }
    assert [name for name, text in opening.items() if not text.endswith((".", ":"))] == []
