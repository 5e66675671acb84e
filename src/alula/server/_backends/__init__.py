"""The backends, by the name that AI.MODELSTORE calls them by."""

from ._onnx import OnnxBackend

__all__ = ["OnnxBackend"]
