"""Templates: the one place that knows Jinja2, and how the addresses of static files are made.

Autoescape is on, and a name that a template is not given is an error.
"""

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ._words import FILTERS

__all__ = ["STATIC", "address", "render", "static"]

_HERE: Final = Path(__file__).parent
STATIC: Final = _HERE / "static"


@cache
def _digest(name: str) -> str:
    return sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def static(name: str) -> str:
    """Give the address of a static file, which changes with its content: a browser may keep it."""
    return f"/static/{name}?v={_digest(name)}"


def address(*parts: str, **query: Any) -> str:
    """Give the address of a page: parts of the path, slashes kept, and a query without empty values."""
    asked = {name: value for name, value in query.items() if value not in (None, "")}
    path = "/" + "/".join(quote(part) for part in parts)
    return f"{path}?{urlencode(asked, doseq=True)}" if asked else path


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(FILTERS)
    made.globals.update(static=static, address=address)
    return made


def render(template: str, facts: Mapping[str, Any]) -> str:
    """Fill a template."""
    return _environment().get_template(template).render(facts)
