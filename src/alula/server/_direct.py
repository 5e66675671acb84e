"""A command of quick models, run at once, on the server's own thread and without a drive.

What a drive looks after (who waits for whom, which thread, cancelling, the first error) takes several times
as long as such models do. So where every device is free and every model is known to be quicker than the
way to another thread, the operations are carried out one after the other, which is an order that their
devices allow. At the first thing that is not as expected nothing has happened yet, and a drive takes over.
"""

from typing import Any, assert_never

from .._core._ids import Key
from ..graph import InputItem, Name
from ._devices import Devices
from ._failures import as_error
from ._later import Later
from ._plan import Ran, Read, WasSet
from ._plans import Bound
from ._resp import Reply
from ._work import Work

__all__ = ["direct"]


def direct(bound: Bound, devices: Devices) -> Reply | Later | None:
    """Run a plan; None if it is not to be run here, and then nothing has happened."""
    steps = bound.plan.steps
    if steps is None:
        return None
    values: dict[Key, Any] = {}
    where = (bound.tensors, bound.home.values, values)
    ran: list[tuple[Work, Any, float, int]] = []
    for key, fn, sources in steps:
        inputs: list[Any] = [where[place][name] for place, name in sources]
        if not isinstance(fn, Work):
            values[key] = fn(*inputs)
            continue
        target = inputs.pop(0)
        if target.batchsize or not fn.quick(target, inputs) or not devices.free(target.queue):
            return None
        began = devices.clock.monotonic()
        try:
            outputs = fn.run(target, inputs, None)
        except Exception:  # a backend's code: the drive will hear the same, and answer with it
            return None
        seconds = devices.clock.monotonic() - began
        fn.note(target, inputs, seconds)
        samples = outputs[0].shape[0] if outputs and outputs[0].shape else 0
        ran.append((fn, target, seconds, samples))
        values[key] = outputs if fn.outputs != 1 else outputs[0]
    for fn, target, seconds, samples in ran:
        target.counts.note(seconds, samples, failed=False)
        devices.stats.note(fn.key, fn.kind, 0.0, seconds, samples, 1, failed=False)
    return _stored(bound, values, "OK" if bound.plan.single else _replies(bound, values))


def _replies(bound: Bound, values: dict[Key, Any]) -> list[Reply]:
    replies: list[Reply] = []
    for answer in bound.plan.answers:
        match answer:
            case WasSet() | Ran():
                replies.append("OK")
            case Read(source, _, form):
                replies.append(form.reply(_found(bound, values, source)))
            case _:
                assert_never(answer)
    return replies


def _found(bound: Bound, values: dict[Key, Any], source: InputItem | Name | Key) -> Any:
    if isinstance(source, InputItem):
        return bound.tensors[source.path[-1]]
    if isinstance(source, Name):
        assert isinstance(source.name, bytes)
        return bound.home.values[source.name]
    return values[source]


def _stored(bound: Bound, values: dict[Key, Any], reply: Reply) -> Reply | Later:
    """Store what is to be stored, and give the reply; an error then stands behind the others."""
    if not bound.plan.stores:
        return reply
    later = Later()

    def told(error: BaseException | None) -> None:
        if error is None:
            later.settle(reply)
        else:
            failed = as_error(error)
            later.settle([*reply, failed] if isinstance(reply, list) else failed)

    bound.home.commit(tuple([values[key] for key in bound.plan.graph.outputs]), told)
    return later.reply if later.settled else later
