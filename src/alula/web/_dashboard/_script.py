"""A script: its source where it is known, and its versions."""

from typing import Final

from fastapi import APIRouter, Response

from ._versions import shown
from ._view import Viewer

__all__ = ["router"]

router = APIRouter()

_LONGEST: Final = 100_000  # characters of source
_FACTS: Final = ("function", "python", "module", "project", "spec", "digest")


@router.get("/script/{name:path}")
def show_script(view: Viewer, name: str) -> Response:
    """Show a script."""
    found = shown(view, view.om().scripts, "script", name)
    facts = found.metadata.kind_meta
    is_code = found.metadata.kind == "virtualobj.dill"
    source = str(facts.get("source") or "") if is_code else ""
    told = [(key.capitalize(), facts.get(key)) for key in _FACTS]
    if not is_code:
        told.append(("Source", facts.get("source")))
    return view.page(
        "script.html",
        tab="objects",
        shown=found,
        facts=told,
        source=source[:_LONGEST],
        cut=len(source) > _LONGEST,
    )
