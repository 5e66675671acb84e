"""Notebooks: run in fresh kernels, with parameters, their outputs kept."""

from ._jobs import Notebooks
from ._parts import MapResult
from ._proxy import JobProxy

__all__ = ["JobProxy", "MapResult", "Notebooks"]
