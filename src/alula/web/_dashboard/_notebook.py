"""A notebook: as it reads, and what came of its runs.

What a notebook shows is anybody's HTML. It is given on an address of its own, whose policy lets no script run
and nothing be fetched, into a frame that has no origin.
"""

import re
from typing import Any, Final

from fastapi import APIRouter, Response
from markupsafe import escape
from starlette.responses import HTMLResponse

from ...errors import AlulaError
from ...objects import check_name
from .._problems import Refused, status_of
from ._versions import shown
from ._view import Viewer

__all__ = ["router"]

router = APIRouter()

_RUNS: Final = 30
_LARGEST: Final = 8 << 20  # bytes of a notebook that is rendered
_POLICY: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_SCRIPTS: Final = re.compile(r"<script\b.*?</script>", re.DOTALL | re.IGNORECASE)
"""What the policy would refuse anyway, each with a line in the console of the browser; it protects nobody."""
_HEADERS: Final = {"Content-Security-Policy": _POLICY, "X-Frame-Options": "SAMEORIGIN"}


@router.get("/job/{name:path}")
def show_notebook(view: Viewer, name: str) -> Response:
    """Show a notebook and the history of its runs."""
    jobs = view.om().jobs
    found = shown(view, jobs, "job", name)
    metadata, attributes = found.metadata, found.metadata.attributes
    result = view.query.get("result", "")
    runs: list[Any] = list(attributes.get("job_runs", ()))
    return view.page(
        "notebook.html",
        tab="objects",
        shown=found,
        title=metadata.name.removesuffix(jobs.suffix),
        runs=runs[: -_RUNS - 1 : -1],
        all_runs=len(runs),
        result=result,
        source=attributes.get("source_job", ""),
        too_large=metadata.size > _LARGEST,
        facts=[(key.capitalize(), metadata.kind_meta.get(key)) for key in ("cells", "kernel")],
    )


@router.get("/notebook/{name:path}")
def render_notebook(view: Viewer, name: str, version: int | None = None) -> Response:
    """Give a notebook as a page that can do nothing."""
    view.permit("job", check_name(name), "get")
    jobs = view.om().jobs
    wanted = name if version is None else f"{name}@v{version}"
    if jobs.resolve(wanted).size > _LARGEST:
        raise Refused(413, f"{name} is too large to be shown: export it with alula jobs export")
    try:
        html = _SCRIPTS.sub("", jobs.export(wanted, "memory", "html"))
    except AlulaError as error:  # an error page is for no frame
        return HTMLResponse(f"<p>{escape(error)}</p>", status_of(error), headers=_HEADERS)
    return HTMLResponse(html, headers=_HEADERS)
