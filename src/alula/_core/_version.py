"""The version, where everything may read it; the package's own description has to say the same."""

__all__ = ["VERSION"]

VERSION = "0.1.0"
