"""What is fixed when the server starts: how much runs at once, and how much a run may take."""

import os
from dataclasses import dataclass
from typing import Final

from ..errors import SettingError

__all__ = ["AS_REDISAI", "LoadTime", "check_range"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTime:
    """The settings that RedisAI takes when it is loaded, and how wide a command may run.

    Attributes
    ----------
    threads_per_queue
        Commands that one device works on at once; the others wait in the order of their arrival.
    dag_parallelism
        Operations of one command that may run on one device at once; None is the number of cores, 4 at
        most.
    intra_op_parallelism
        Threads by which one run may split a single operator; 0 is the backend's own choice.
    inter_op_parallelism
        Threads by which one run may work on several operators; 0 is the backend's own choice.
    model_chunk_size
        Bytes of the pieces in which AI.MODELGET gives a model, until AI.CONFIG says otherwise.
    model_execution_timeout
        Seconds after which a run is ended, where its backend can do that.
    backend_memory_limit
        MB that a backend may take, where it can be held to that; 0 is no limit.
    backends_path
        What AI.CONFIG GET BACKENDSPATH answers at first; nothing is looked for there. Empty is beside this
        package, where RedisAI would look beside its module.

    Raises
    ------
    SettingError
        If a number is out of its range.
    """

    threads_per_queue: int = 1
    dag_parallelism: int | None = None
    intra_op_parallelism: int = 0
    inter_op_parallelism: int = 0
    model_chunk_size: int = 511 << 20
    model_execution_timeout: float = 5.0
    backend_memory_limit: int = 0
    backends_path: str = ""

    def __post_init__(self) -> None:
        check_range("threads_per_queue", self.threads_per_queue, least=1)
        check_range("dag_parallelism", self.width, least=1)
        check_range("intra_op_parallelism", self.intra_op_parallelism, least=0)
        check_range("inter_op_parallelism", self.inter_op_parallelism, least=0)
        check_range("model_execution_timeout", self.model_execution_timeout, least=1)
        check_range("backend_memory_limit", self.backend_memory_limit, least=0)
        check_range("model_chunk_size", self.model_chunk_size, least=1)

    @property
    def width(self) -> int:
        """Operations of one command that may run on one device at once."""
        return min(4, os.cpu_count() or 1) if self.dag_parallelism is None else self.dag_parallelism


def check_range(name: str, value: float, *, least: int, most: int | None = None) -> None:
    """Raise `SettingError` if a setting is less, or more, than it may be."""
    if value < least or (most is not None and value > most):
        span = f"at least {least}" if most is None else f"between {least} and {most}"
        raise SettingError(name, value, f"must be {span}")


AS_REDISAI: Final = LoadTime()
"""As it is when nothing is said."""
