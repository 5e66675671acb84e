"""What happens now: who takes work, what waits for whom, and what failed lately."""

from fastapi import APIRouter, Response

from ._view import Tab, Viewer

__all__ = ["TAB", "router"]

TAB = Tab("Now", "/", "now")
router = APIRouter()


@router.get("/")
def show_now(view: Viewer) -> Response:
    """Show the first page."""
    view.permit_some("executor", "list")
    return view.page("now.html", tab=TAB.key)
