"""Running graphs of tasks and actors on the engine, nothing recorded."""

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from ..graph import Call, Cancel, Done, Drive, Graph, Node, Outcome, Scope, Then
from . import _session
from ._actors import ActorClass, ActorMethod
from ._api import get
from ._engine import Engine
from ._nodes import ClassMethodNode, ClassNode, Method
from ._refs import ObjectRef
from ._remote import ActorType

__all__ = ["execute"]

T = TypeVar("T")


def execute(node: Node[T], /, *args: Any, **kwargs: Any) -> ObjectRef[T]:
    """Run a graph on the engine, nothing recorded; see `Node.execute`."""
    engine = _session.current()
    ref, settle = engine.promise()

    def then(outcome: Outcome) -> None:
        settle(Done(outcome.value[0]) if isinstance(outcome, Done) else cast("Any", outcome))

    Drive(_whole(node), _Stage(engine), Scope(), then=then, args=args, kwargs=kwargs).start()
    return get(ref) if isinstance(node, ClassNode) else ref


def _whole(node: Node[Any]) -> Graph:
    """Give the graph of a node, with those calls of its actors that nothing reads but that come before."""
    unread: dict[Node[Any], None] = {}
    while True:
        graph = Graph.of(node, effects=unread)
        found = set(graph.nodes.values())
        new = [each for call in found for each in _before(call) if each not in found]
        if not new:
            return graph
        unread |= dict.fromkeys(new)


def _before(call: Node[Any]) -> Sequence[Node[Any]]:
    if not isinstance(call, ClassMethodNode):
        return ()
    actor = call.args[0][0]
    return actor.before(call) if isinstance(actor, ClassNode) else ()


class _Stage:
    """An engine as a place for tasks, actors and their calls. An actor's value is its handle, at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def start(self, call: Call, then: Then) -> Cancel:
        """See `Place.start`."""
        match call.fn:
            case ActorType():
                with _session.using(self._engine):
                    then(Done(ActorClass(call.fn).remote(*call.args, **call.kwargs)))
                return lambda: None
            case Method(name=name, options=options):
                (actor, _), *args = call.args
                with _session.using(self._engine):
                    ref = ActorMethod(actor._actor, actor._cls, name, options).remote(*args, **call.kwargs)
                return self._engine.follow(ref, then)
            case _:
                return self._engine.start(call, then)
