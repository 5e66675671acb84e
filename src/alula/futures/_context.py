"""What code can ask about itself: where it runs, as what, and whether it is still wanted."""

from typing import NoReturn

from . import _session
from ._actors import ActorHandle
from ._engine import ActorExit, Engine

__all__ = ["RuntimeContext", "exit_actor", "get_runtime_context"]


class RuntimeContext:
    """Where the code that asks runs; all ids are hexadecimal texts. Each answer is of the moment.

    Cheap, so there is no need to keep one; but it may be kept, and asked from several tasks in turn.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get_job_id(self) -> str:
        """Give the id of the session."""
        return self._engine.context().job

    def get_node_id(self) -> str:
        """Give the id of the machine, which is a ``NodeID`` of `nodes`."""
        return self._engine.context().node

    def get_worker_id(self) -> str:
        """Give the id of this process."""
        return self._engine.context().worker

    def get_task_id(self) -> str | None:
        """Give the id of the task, or of the actor's call, that asks; None outside of both."""
        return self._engine.context().task

    def get_actor_id(self) -> str | None:
        """Give the id of the actor that asks; None outside of one."""
        return self._engine.context().actor

    def get_assigned_resources(self) -> dict[str, float]:
        """Give the resources that the task or actor holds, by name; ``"CPU"`` in cores."""
        return dict(self._engine.assigned())

    def is_canceled(self) -> bool:
        """Tell whether the task or call that asks was cancelled.

        A method of an actor that runs in a thread is not interrupted by `cancel`: it has to look here.
        """
        return self._engine.is_canceled()

    @property
    def namespace(self) -> str:
        """In which the names of actors are unique, unless they say another."""
        return self._engine.context().namespace

    @property
    def was_current_actor_reconstructed(self) -> bool:
        """Whether the actor that asks has been started before, in a process that died."""
        return self._engine.context().restarted

    @property
    def current_actor(self) -> ActorHandle:
        """A handle of the actor that asks; as long as only the actor itself has it, it keeps nothing alive.

        Raises
        ------
        RuntimeError
            Outside of an actor.
        """
        me = self._engine.context().me
        if me is None:
            raise RuntimeError("there is no current actor: this code does not run inside one")
        return ActorHandle(*me)


def get_runtime_context() -> RuntimeContext:
    """Give what can tell where this code runs."""
    return RuntimeContext(_session.current())


def exit_actor() -> NoReturn:
    """Inside a method of an actor: end the actor, now and for good, and free what it holds.

    The call that does so, and those that wait, fail with `ActorDiedError`.

    Raises
    ------
    TypeError
        Outside of an actor.
    """
    if _session.current().context().actor is None:
        raise TypeError("exit_actor() ends the actor whose method calls it: this code runs in none")
    raise ActorExit
