"""Default requirements: what tasks on one object need, kept with the object and honoured by every client."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ..objects import Catalog, Metadata
from ._wish import Wish

__all__ = ["defaulted", "required"]

_REQUIRE: Final = "require"  # the attribute


def defaulted(wish: Wish, metadata: Metadata) -> Wish:
    """Give a wish with what an object requires, wherever the wish itself says nothing."""
    kept: Mapping[str, Any] = metadata.attributes.get(_REQUIRE) or {}
    if not kept:
        return wish
    resources = {name: value for name, value in kept.items() if name != "label"}
    full = Wish().with_resources(resources)
    merged = replace(wish, options={**full.options, **wish.options})
    if wish.asked or "label" not in kept:
        return merged
    return replace(merged.labelled(kept["label"]), asked=False)


def required(
    catalog: Catalog,
    name: str,
    wish: Wish,
    label: str | None,
    resources: Mapping[str, Any],
    *,
    always: bool,
    drop: bool,
) -> Wish:
    """Give a wish with a requirement for one object, which is kept with the object or removed on demand.

    Raises
    ------
    LabelError, ValueError, TypeError
        If it is none; a `TypeError` also if it is to be kept and does not fit into JSON.
    """
    asked = wish.with_resources(resources).labelled(label)
    kept = {**resources, **({} if label is None else {"label": label})}
    if drop or always:
        catalog.annotate(name, {_REQUIRE: None if drop else kept})
    return asked
