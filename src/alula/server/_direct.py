"""A command of quick models, run at once, on the server's own thread and without a drive.

What a drive looks after (who waits for whom, which thread, cancelling, the first error) takes several times
as long as such models do. So where every device is free and every model is known to be quicker than the
way to another thread, the operations are carried out one after the other, which is an order that their
devices allow. Where one is not to be run here after all, nothing has been told or stored, and a drive
takes over. One that fails is the command's failure: nothing begins after it, as the contract says.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias, assert_never

from .._core._ids import Key
from ..errors import CommandError
from ..graph import InputItem, Name
from ._devices import Devices
from ._failures import as_error
from ._later import Later
from ._plan import Ran, Read, WasSet
from ._plans import Bound
from ._resp import Reply
from ._work import Work

__all__ = ["direct"]

_Ended: TypeAlias = tuple[Work, Any, float, int | None]
"""An operation that has run, on what, for how many seconds, and its samples; None if it has failed."""

_NONE: Final[Mapping[Key, CommandError]] = {}


def direct(bound: Bound, devices: Devices) -> Reply | Later | None:
    """Run a plan; None if it is not to be run here, and then nothing has happened."""
    steps = bound.plan.steps
    if steps is None:
        return None
    values: dict[Key, Any] = {}
    where = (bound.tensors, bound.home.values, values)
    ran: list[_Ended] = []
    for key, fn, sources in steps:
        inputs: list[Any] = [where[place][name] for place, name in sources]
        if not isinstance(fn, Work):
            values[key] = fn(*inputs)
            continue
        target = inputs.pop(0)
        pace = fn.pace(target)
        if pace is None or target.batchsize or not pace.quick(inputs) or not devices.free(target.queue):
            return None
        began = devices.clock.monotonic()
        try:
            outputs = fn.run(target, inputs, None)
        except Exception as error:  # a backend's code: whatever it is, it is the operation's answer
            _count(devices, [*ran, (fn, target, devices.clock.monotonic() - began, None)])
            failed = as_error(error)
            return failed if bound.plan.single else _replies(bound, values, {key: failed})
        seconds = devices.clock.monotonic() - began
        pace.note(seconds)
        ran.append((fn, target, seconds, outputs[0].shape[0] if outputs and outputs[0].shape else 0))
        values[key] = outputs if fn.outputs != 1 else outputs[0]
    _count(devices, ran)
    return _stored(bound, values, "OK" if bound.plan.single else _replies(bound, values))


def _count(devices: Devices, ended: list[_Ended]) -> None:
    for fn, target, seconds, samples in ended:
        failed, count = samples is None, samples or 0
        target.counts.note(seconds, count, failed=failed)
        devices.stats.note(fn.key, fn.kind, 0.0, seconds, count, 1, failed=failed)


def _replies(bound: Bound, values: dict[Key, Any], errors: Mapping[Key, CommandError] = _NONE) -> list[Reply]:
    replies: list[Reply] = []
    for answer in bound.plan.answers:
        match answer:
            case WasSet():
                replies.append("OK")
            case Ran(key):
                replies.append("OK" if key in values else errors.get(key, "NA"))
            case Read(source, whole, form):
                found = _found(bound, values, source, whole)
                replies.append("NA" if found is None else form.reply(found))
            case _:
                assert_never(answer)
    return replies


def _found(
    bound: Bound, values: dict[Key, Any], source: InputItem | Name | Key, whole: tuple[int, int] | None
) -> Any:
    """Give what a name refers to; None if an operation has failed before it was made."""
    if isinstance(source, InputItem):
        return bound.tensors[source.path[-1]]
    if isinstance(source, Name):
        assert isinstance(source.name, bytes)
        return bound.home.values[source.name]
    if source in values or whole is None:
        return values.get(source)
    outputs = values.get(Key(str(whole[0])))  # nobody has taken it apart
    return None if outputs is None else outputs[whole[1]]


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
