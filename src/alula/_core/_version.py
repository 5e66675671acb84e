"""The version, as the installed package has it: that is made from the tag of the release.

It is looked up when somebody asks, for to read what is installed takes longer than all of `import alula`.
"""

from importlib import import_module
from typing import Any

__all__ = ["VERSION"]

VERSION: str


def __getattr__(name: str) -> Any:
    if name != "VERSION":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    metadata = import_module("importlib.metadata")
    try:
        found = metadata.version("alula")
    except metadata.PackageNotFoundError:  # the source is on the path, and nothing is installed
        found = "0+source"
    globals()["VERSION"] = found
    return found
