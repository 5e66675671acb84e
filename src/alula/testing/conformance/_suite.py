"""The suite as a module of tests, for `python -m alula.testing.conformance`, which brings the engine."""

from . import EngineConformance

__all__ = ["TestEngine"]


class TestEngine(EngineConformance):
    """Every behaviour, for whatever engine the plugin gives."""
