"""What lists of names have in common: how many are on a page, and how people say which they look for."""

from typing import Final

__all__ = ["PAGE", "pattern_of"]

PAGE: Final = 50


def pattern_of(asked: str) -> str | None:
    """Give the pattern for what somebody has typed: a part of a name, unless it has wildcards of its own."""
    text = asked.strip()
    if not text:
        return None
    return text if any(sign in text for sign in "*?[") else f"*{text}*"
