"""Pictures of ours inside a page: without their own style, which the content-security policy forbids."""

import re
from typing import Final

from markupsafe import Markup

__all__ = ["inline"]

_STYLE: Final = re.compile(r"<style>.*?</style>", re.DOTALL)


def inline(picture: object) -> Markup:
    """Give an SVG picture that we have drawn ourselves as a part of a page; ``app.css`` holds its style."""
    return Markup(_STYLE.sub("", str(picture)))  # drawn by us, with every text escaped
