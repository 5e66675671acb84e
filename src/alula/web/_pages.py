"""Listings, page by page: by name, so that a page stays what it is while objects come and go."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlencode

from fastapi import Query, Response

from ._call import Call, forbidden, json_response

__all__ = ["After", "Limit", "Pattern", "page"]

Limit: TypeAlias = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
After: TypeAlias = Annotated[str | None, Query(description="The last one of the page before.")]
Pattern: TypeAlias = Annotated[str | None, Query(description="Of names, as in a shell: `iris*`.")]


def page(
    call: Call,
    resource: str,
    names: Sequence[str],
    describe: Callable[[str], Mapping[str, Any] | None],
    *,
    limit: int,
    after: str | None,
) -> Response:
    """Answer with some of what there is, and with the address of the next page.

    Parameters
    ----------
    names
        Of all that there is, in order; what may not be listed is left out here.
    describe
        Gives the entry for a name; None if it has gone meanwhile.

    Raises
    ------
    Refused
        With status 403, if nothing of that kind may be listed.
    """
    if not call.rights.allow_some(resource, "list"):
        raise forbidden(f"{resource}/*/list")
    known = [name for name in names if after is None or name > after]
    found = [name for name in known if call.rights.allow(resource, name, "list")]
    shown = found[:limit]
    items = [entry for entry in map(describe, shown) if entry is not None]
    if len(found) <= limit:
        return json_response({"items": items, "next": None})
    asked = {**call.request.query_params, "limit": limit, "after": shown[-1]}
    following = f"{call.request.url.path}?{urlencode(asked)}"
    return json_response({"items": items, "next": following}, headers={"Link": f'<{following}>; rel="next"'})
