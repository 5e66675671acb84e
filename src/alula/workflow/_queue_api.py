"""Named queues, as people declare them; what is submitted to one is said in `alula.workflow.run`."""

from ._default import default_executor
from ._queues import Queue, QueueLoad

__all__ = ["delete_queue", "list_queues", "queue", "queue_loads"]


def queue(
    name: str,
    *,
    concurrency: int | None = None,
    concurrency_per_key: int | None = None,
    limit: int | None = None,
    period: float | None = None,
    replace: bool = False,
) -> Queue:
    """Declare a queue, in which workflows wait until it is their turn to run.

    It stands in the store, and all executors of the store obey its limits, however many they are. To declare
    it again with the same limits changes nothing.

    Parameters
    ----------
    name
        1 to 255 characters.
    concurrency
        How many of its workflows run at once, on all executors together; None for no limit.
    concurrency_per_key
        How many of those that are submitted with the same ``key`` run at once. None if there are no keys.
    limit, period
        How many may start within any so many seconds, given together; None for no limit.
    replace
        Whether other limits may take the place of those that it has: for all, from their next turn on.

    Returns
    -------
    Queue
        To be given to `run` and `run_async`, as its name may.

    Raises
    ------
    ValueError
        If it has other limits already, or a number is out of range.
    TypeError
        If the name is not text, or a limit not a number.
    """
    declared = Queue(name, concurrency, concurrency_per_key, limit, period)
    default_executor().queues.put(declared, replace=replace)
    return declared


def list_queues() -> list[Queue]:
    """Give all queues, by name."""
    return default_executor().queues.listed()


def queue_loads() -> list[QueueLoad]:
    """Give all queues, by name, with how many workflows wait and run in each."""
    return default_executor().queues.loads()


def delete_queue(name: str) -> None:
    """Forget a queue in which nothing waits or runs.

    Raises
    ------
    QueueNotFoundError
        If there is none of that name.
    WorkflowError
        If there is still something in it.
    """
    default_executor().queues.delete(name)
