"""Distributed futures: tasks, actors and references, on an engine.

The words are Ray's. The engine of one machine is embedded; ``init(engine="ray")`` runs the same
programs on a Ray cluster.
"""

from ._actors import ActorClass, ActorHandle, ActorMethod, get_actor, kill, method
from ._api import (
    RemoteFunction,
    available_resources,
    cancel,
    cluster_resources,
    get,
    init,
    is_initialized,
    nodes,
    put,
    remote,
    shutdown,
    timeline,
    wait,
)
from ._context import RuntimeContext, exit_actor, get_runtime_context
from ._engine import ActorExit, ActorRef, Cluster, Context, Engine, Feature, Settle, Waitable
from ._errors import pack_error, pack_task_error, unpack_error
from ._graphs import execute
from ._nodes import ClassMethodNode, ClassNode
from ._options import ActorOptions, MethodOptions, TaskOptions
from ._progress import progress
from ._refs import ObjectRef
from ._remote import ActorType, Definition, Function
from ._session import current, open_engine, set_default, using, waiting
from ._sessions import SessionFacts, sessions
from ._strategies import (
    DoesNotExist,
    Exists,
    In,
    NodeAffinitySchedulingStrategy,
    NodeLabelSchedulingStrategy,
    NotIn,
    PlacementGroupSchedulingStrategy,
)
from ._streams import DynamicObjectRefGenerator, ObjectRefGenerator

__all__ = [
    "ActorClass",
    "ActorExit",
    "ActorHandle",
    "ActorMethod",
    "ActorOptions",
    "ActorRef",
    "ActorType",
    "ClassMethodNode",
    "ClassNode",
    "Cluster",
    "Context",
    "Definition",
    "DoesNotExist",
    "DynamicObjectRefGenerator",
    "Engine",
    "Exists",
    "Feature",
    "Function",
    "In",
    "MethodOptions",
    "NodeAffinitySchedulingStrategy",
    "NodeLabelSchedulingStrategy",
    "NotIn",
    "ObjectRef",
    "ObjectRefGenerator",
    "PlacementGroupSchedulingStrategy",
    "RemoteFunction",
    "RuntimeContext",
    "SessionFacts",
    "Settle",
    "TaskOptions",
    "Waitable",
    "available_resources",
    "cancel",
    "cluster_resources",
    "current",
    "execute",
    "exit_actor",
    "get",
    "get_actor",
    "get_runtime_context",
    "init",
    "is_initialized",
    "kill",
    "method",
    "nodes",
    "open_engine",
    "pack_error",
    "pack_task_error",
    "progress",
    "put",
    "remote",
    "sessions",
    "set_default",
    "shutdown",
    "timeline",
    "unpack_error",
    "using",
    "wait",
    "waiting",
]
