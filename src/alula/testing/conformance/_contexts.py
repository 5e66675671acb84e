"""What code can ask about itself, and how an actor leaves."""

import os
from typing import Any

import pytest

from ...errors import ActorDiedError
from ...futures import ActorHandle, exit_actor, get, get_runtime_context, nodes, remote
from ._actors import Counter
from ._part import LIMIT, Part, ended, value

__all__ = ["Contexts", "Leaving"]


def facts() -> dict[str, Any]:
    """Tell all that the context says."""
    context = get_runtime_context()
    return {
        "job": context.get_job_id(),
        "node": context.get_node_id(),
        "worker": context.get_worker_id(),
        "task": context.get_task_id(),
        "actor": context.get_actor_id(),
        "resources": context.get_assigned_resources(),
        "namespace": context.namespace,
        "cancelled": context.is_canceled(),
    }


class Told:
    """An actor that knows itself."""

    def facts(self) -> dict[str, Any]:
        """See `facts`."""
        return facts()

    async def facts_of_coroutine(self) -> dict[str, Any]:
        """See `facts`."""
        return facts()

    def me(self) -> list[ActorHandle]:
        """Give a handle of its own."""
        return [get_runtime_context().current_actor]

    def pid(self) -> int:
        """Give the number of the process."""
        return os.getpid()


class Contexts(Part):
    """`get_runtime_context`."""

    def test_a_task_knows_where_it_runs(self) -> None:
        one, other = get([remote(facts).options(num_cpus=1).remote() for _ in range(2)], timeout=LIMIT)
        here = get_runtime_context()
        assert one["job"] == other["job"] == here.get_job_id()
        assert one["node"] in [node["NodeID"] for node in nodes()]
        assert one["task"] != other["task"]
        assert one["actor"] is None
        assert one["worker"] != here.get_worker_id()
        assert one["resources"]["CPU"] == 1
        assert one["namespace"] == here.namespace
        assert not one["cancelled"]

    def test_outside_of_tasks_there_is_no_actor(self) -> None:
        context = get_runtime_context()
        assert context.get_actor_id() is None
        assert context.get_job_id()
        with pytest.raises(RuntimeError):
            _ = context.current_actor

    def test_an_actor_knows_itself(self) -> None:
        class Plain(Told):
            facts_of_coroutine: Any = None

        for told in (remote(Plain).remote(), remote(Told).remote()):
            one, other = get([told.facts.remote(), told.facts.remote()], timeout=LIMIT)
            assert one["actor"] == other["actor"] is not None
            assert one["task"] != other["task"]
            [me] = value(told.me.remote())
            assert value(me.pid.remote()) == value(told.pid.remote())

    def test_coroutines_are_not_mixed_up(self) -> None:
        told = remote(Told).remote()
        found = get([told.facts_of_coroutine.remote() for _ in range(20)], timeout=LIMIT)
        assert len({one["task"] for one in found}) == 20


class Leaver:
    """An actor that leaves."""

    def leave(self) -> None:
        """End the actor."""
        exit_actor()

    def pid(self) -> int:
        """Give the number of the process."""
        return os.getpid()


class LaterLeaver:
    """The same with a coroutine."""

    async def leave(self) -> None:
        """End the actor."""
        exit_actor()

    async def pid(self) -> int:
        """Give the number of the process."""
        return os.getpid()


class Leaving(Part):
    """`exit_actor`."""

    def test_an_actor_may_leave(self) -> None:
        classes: list[type] = [Leaver, LaterLeaver]
        for cls in classes:
            leaver = remote(cls).options(max_restarts=3).remote()
            pid = value(leaver.pid.remote())
            with pytest.raises(ActorDiedError):
                value(leaver.leave.remote())
            assert ended(pid)
            with pytest.raises(ActorDiedError):
                value(leaver.pid.remote())

    def test_nobody_leaves_outside_of_an_actor(self) -> None:
        with pytest.raises(TypeError, match="actor"):
            exit_actor()
        with pytest.raises(TypeError, match="actor"):
            value(remote(lambda: exit_actor()).remote())
        assert value(Counter.remote().add.remote()) == 1
