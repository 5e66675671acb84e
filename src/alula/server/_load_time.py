"""What is fixed when the server starts: how much runs at once, and how much a run may take."""

from dataclasses import dataclass

__all__ = ["LoadTime"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTime:
    """The settings that INFO shows as ``ai_load_time_configs``, and one more; `Server` checks them.

    Attributes
    ----------
    threads_per_queue
        Commands that one device works on at once.
    intra_op_parallelism, inter_op_parallelism
        Threads by which one run may split an operator, or run several; 0 is the backend's own choice.
    model_execution_timeout
        Seconds after which a run is ended, where the backend can do that.
    backend_memory_limit
        MB that a backend may take, where it can be held to that; 0 is no limit.
    backends_path
        What AI.CONFIG GET BACKENDSPATH answers at first.
    """

    threads_per_queue: int = 1
    intra_op_parallelism: int = 0
    inter_op_parallelism: int = 0
    model_execution_timeout: float = 5.0
    backend_memory_limit: int = 0
    backends_path: str = ""
