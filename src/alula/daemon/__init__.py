"""What runs for long, composed of the faces: today, the tensor server of a store."""

from ._serve import serve

__all__ = ["serve"]
