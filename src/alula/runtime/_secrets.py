"""Secrets: what must not stand in logs and rows, found by how it is called and by what it looks like.

There are built-in patterns. Whoever has others adds hooks, which each text passes through.
"""

import re
from collections.abc import Callable
from typing import Any, Final

__all__ = ["MASK", "Hook", "hidden", "hooks", "masked", "veiled"]

MASK: Final = "***"
"""Stands for what is hidden."""

Hook = Callable[[str], str]

hooks: Final[list[Hook]] = []
"""What each text passes through, in this process, after the built-in patterns."""

_WORDS: Final = (
    r"(?:pass(?:word|wd|phrase)?|secret|token(?!s)|api[_-]?key|access[_-]?key|credentials?|authorization)"
)
_NAMED: Final = re.compile(
    rf"(?i)(?P<name>{_WORDS}[\w-]*['\"]?\s*[:=]\s*)(?P<bearer>bearer\s+|basic\s+)?"
    r"(?P<value>'[^']*'|\"[^\"]*\"|[^\s,;)}\]&]+)"
)
_URL: Final = re.compile(r"(?P<user>://[^:/@\s]*:)[^/@\s]+@")
_KEY: Final = re.compile(rf"(?i){_WORDS}$")


def masked(text: str) -> str:
    """Give a text without what looks like a secret: passwords in URLs, and values of telling names."""
    shown = _URL.sub(rf"\g<user>{MASK}@", _NAMED.sub(rf"\g<name>\g<bearer>{MASK}", text))
    for hook in hooks:
        shown = hook(shown)
    return shown


def veiled(value: Any, mask: Callable[[str], str] = masked) -> Any:
    """Give JSON without the secrets in its texts, and what stands under a telling name."""
    match value:
        case str():
            return mask(value)
        case list():
            return [veiled(each, mask) for each in value]
        case dict():
            return {key: hidden(str(key), veiled(each, mask)) for key, each in value.items()}
        case _:
            return value


def hidden(key: str, value: Any) -> Any:
    """Give a value, or the mask if its name says that it is a secret."""
    return MASK if isinstance(value, str) and _KEY.search(key) else value
