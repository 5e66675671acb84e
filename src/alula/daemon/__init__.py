"""What runs for long, composed of the faces: executors, and the tensor server of a store."""

from ._serve import serve
from ._up import Facts, up, work

__all__ = ["Facts", "serve", "up", "work"]
