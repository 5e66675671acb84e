"""Triggers: what an object's attributes say of its schedule, as values in and values out.

The schedule itself is the workflow layer's, which fires it. Here stands what people look up at the object:
which time comes next, and how it went at those before.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

__all__ = ["Outcome", "cancelled", "planned", "settled", "triggers_of"]

Outcome: TypeAlias = Literal["OK", "ERROR"]

_PENDING: Final = "PENDING"
_KEPT: Final = 100  # triggers of one object


def planned(attributes: Mapping[str, Any], action: str, cron: str, due: float, now: float) -> dict[str, Any]:
    """Give the attributes of an object that has a schedule from now on; a time that was waited for is not."""
    changed = cancelled(attributes, action, now)
    config = {**changed.get("config", {}), "run-at": cron}
    return {**changed, "config": config} | _next(changed, action, due, now)


def settled(
    attributes: Mapping[str, Any], action: str, time: float, outcome: Outcome, due: float, now: float
) -> dict[str, Any]:
    """Give the attributes after the run of one of its times; said twice, they are the same."""
    event, others = _iso(time), []
    for trigger in attributes.get("triggers", ()):
        waits = trigger["action"] == action and trigger["status"] == _PENDING
        if not waits and (trigger["action"], trigger["event"]) != (action, event):
            others.append(trigger)
    others.append(_trigger(action, time, outcome, now))
    return {**attributes} | _next({"triggers": others}, action, due, now)


def cancelled(attributes: Mapping[str, Any], action: str, now: float) -> dict[str, Any]:
    """Give the attributes of an object whose schedule is gone."""
    triggers = [
        {**trigger, "status": "CANCELLED", "ts": _iso(now)}
        if trigger["action"] == action and trigger["status"] == _PENDING
        else trigger
        for trigger in attributes.get("triggers", ())
    ]
    config = {name: value for name, value in attributes.get("config", {}).items() if name != "run-at"}
    kept = {name: value for name, value in attributes.items() if name != "next_run_time"}
    return {**kept, "triggers": triggers[-_KEPT:], "config": config}


def triggers_of(
    attributes: Mapping[str, Any], action: str, due: float | None, *, only_pending: bool
) -> list[dict[str, Any]]:
    """Give the triggers of one action; the one that is waited for is at `due`, whatever was noted."""
    found = [dict(trigger) for trigger in attributes.get("triggers", ()) if trigger["action"] == action]
    past = [trigger for trigger in found if trigger["status"] != _PENDING]
    waited = [trigger for trigger in found if trigger["status"] == _PENDING]
    if due is None:
        waited = []
    elif [trigger["event"] for trigger in waited] != [_iso(due)]:  # its run was left out, or has not ended
        waited = [_trigger(action, due, _PENDING, due)]
    return waited if only_pending else [*past, *waited]


def _next(attributes: Mapping[str, Any], action: str, due: float, now: float) -> dict[str, Any]:
    triggers: Sequence[Any] = attributes.get("triggers", ())
    return {
        "triggers": [*triggers, _trigger(action, due, _PENDING, now)][-_KEPT:],
        "next_run_time": _iso(due),
    }


def _trigger(action: str, time: float, status: str, now: float) -> dict[str, Any]:
    return {
        "event-kind": "scheduled",
        "event": _iso(time),
        "run-at": _iso(time),
        "action": action,
        "status": status,
        "ts": _iso(now),
    }


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat()
