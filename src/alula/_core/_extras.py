"""Packages of extras: imported where they are first needed, and missing by a name that says what to do."""

from importlib import import_module
from typing import Any

from ..errors import MissingExtraError

__all__ = ["imported"]


def imported(module: str, extra: str, feature: str) -> Any:
    """Import a module of a package that not everybody has installed.

    Parameters
    ----------
    module
        Its name: ``"pandas"``, ``"skops.io"``.
    extra
        The extra of Alula that brings the package.
    feature
        What it is needed for, as the beginning of a sentence.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(module.partition(".")[0], extra, feature) from error
