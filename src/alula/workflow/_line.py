"""The line in which workflows wait to run, where only so many may run at once in a process."""

from collections.abc import Iterable
from dataclasses import dataclass
from queue import Full
from typing import Final

from ._run import Run

__all__ = ["UNLIMITED", "Limits", "Line"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How many workflows may run at once, and how many more may wait; -1 for no limit.

    None stands for what is not said.
    """

    running: int | None = None
    pending: int | None = None

    @classmethod
    def of(cls, running: object, pending: object) -> "Limits":
        """Give checked limits; `ValueError` or `TypeError` name the one that is none."""
        return cls(
            _checked("max_running_workflows", running, 1), _checked("max_pending_workflows", pending, 0)
        )

    def over(self, now: "Limits | None") -> "Limits":
        """Give these with what they do not say as it is now; `ValueError` if they say something else."""
        if now is None:
            return Limits(_or(self.running, -1), _or(self.pending, -1))
        for name in ("running", "pending"):
            new, old = getattr(self, name), getattr(now, name)
            if new is not None and new != old:
                raise ValueError(f"max_{name}_workflows is {old} in this process already, and not {new}")
        return now


UNLIMITED: Final = Limits(-1, -1)


class Line:
    """Who runs and who waits. It decides nothing about itself: its user holds a lock around each call."""

    def __init__(self, limits: Limits) -> None:
        self._running: set[Run] = set()
        self._waiting: dict[Run, None] = {}
        self._limits = limits

    def must_wait(self, *, accepted: bool = False, ahead: int = 0) -> bool:
        """Tell whether one more would have to wait.

        Parameters
        ----------
        accepted
            Whether it may wait however many do.
        ahead
            How many will run that have not joined yet.

        Raises
        ------
        queue.Full
            If it may not even do that.
        """
        if not self._waiting and self._has_room(ahead):
            return False
        pending = _or(self._limits.pending, -1)
        if not accepted and 0 <= pending <= len(self._waiting):
            raise Full(
                f"Workflow queue has been full: {len(self._running)} running here and {pending} waiting; "
                "wait for one of them, or give workflow.init() another limit"
            )
        return True

    def join(self, runs: Iterable[Run]) -> None:
        """Take runs in; those that wait stand behind those before."""
        for run in runs:
            if run.waits:
                self._waiting[run] = None
            elif not run.requeue:  # those may be parts of others, which wait for them
                self._running.add(run)

    def leave(self, run: Run) -> None:
        """Let go of a run, if it is here."""
        self._running.discard(run)
        self._waiting.pop(run, None)

    def admitted(self) -> list[Run]:
        """Give those that need not wait any more."""
        admitted: list[Run] = []
        while self._waiting and self._has_room():
            run = next(iter(self._waiting))
            del self._waiting[run]
            self._running.add(run)
            admitted.append(run)
        return admitted

    def _has_room(self, ahead: int = 0) -> bool:
        most = _or(self._limits.running, -1)
        return most < 0 or len(self._running) + ahead < most


def _or(given: int | None, default: int) -> int:
    return default if given is None else given


def _checked(name: str, given: object, least: int) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int):
        raise TypeError(f"{name} is a whole number or None, not {given!r}")
    if given < least and given != -1:
        raise ValueError(f"{name} is {least} or more, or -1 for no limit, not {given}")
    return given
