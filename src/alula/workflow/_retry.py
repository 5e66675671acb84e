"""Retry policies: which failures are followed by another attempt, when, and how long one may take.

Pure: it decides, others wait and try.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import uniform
from typing import Any, Final, TypeAlias

from ..errors import TaskError, WorkflowTimeoutError

__all__ = ["LONGEST_DELAY", "Errors", "Retry", "policy"]

Errors: TypeAlias = bool | tuple[type[BaseException], ...] | Callable[[BaseException], object]
"""Which errors of a task's own code count: all, none, those of some classes, or what a function says."""

LONGEST_DELAY: Final = 3600.0
"""Seconds between two attempts at most, unless a task says otherwise."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Whether a failed attempt is followed by another, and when.

    Attributes
    ----------
    most
        Further attempts after the first, whatever ended them; -1 for no limit.
    errors
        Errors of the task's own code that count. The death of a process, and an attempt that takes too
        long, always do.
    delay
        Seconds before the second attempt.
    backoff
        What each further delay is longer by: a factor.
    longest
        Seconds that no delay exceeds.
    jitter
        Share of a delay, from 0 to 1, by which it is made longer or shorter at random.
    timeout
        Seconds that one attempt may take; None for no limit.
    """

    most: int = 0
    errors: Errors = False
    delay: float = 0.0
    backoff: float = 2.0
    longest: float = LONGEST_DELAY
    jitter: float = 0.0
    timeout: float | None = None

    @property
    def asks(self) -> bool:
        """Whether it is for a function of the user's to say which errors count."""
        return callable(self.errors)

    def allows(self, error: BaseException, attempts: int) -> bool:
        """Tell whether to try again after so many attempts, the last of which ended with `error`."""
        if isinstance(error, TaskError):
            return self.follows(error.cause, attempts)
        return self._left(attempts)

    def follows(self, raised: BaseException, attempts: int) -> bool:
        """Tell whether to try again after what the task's own code has raised."""
        if not self._left(attempts):
            return False
        if isinstance(self.errors, bool):
            return self.errors
        if isinstance(self.errors, tuple):
            return isinstance(raised, self.errors)
        return bool(self.errors(raised))

    def pause(self, attempts: int) -> float:
        """Give the seconds to wait after so many attempts."""
        if not self.delay:
            return 0.0
        try:
            grown = self.delay * self.backoff ** (attempts - 1)
        except OverflowError:
            grown = self.longest
        return min(self.longest, grown * uniform(1 - self.jitter, 1 + self.jitter))

    def late(self, task: str) -> WorkflowTimeoutError:
        """Give the error of an attempt that took too long."""
        assert self.timeout is not None
        return WorkflowTimeoutError(f"the end of task {task!r}", self.timeout)

    def plain(self) -> tuple[object, ...]:
        """Give what it is made of, in the order of its attributes: sealed ten times as fast as itself."""
        return self.most, self.errors, self.delay, self.backoff, self.longest, self.jitter, self.timeout

    def _left(self, attempts: int) -> bool:
        return not 0 <= self.most < attempts


_WORDS: Final = {
    "retry_delay": "delay",
    "retry_backoff": "backoff",
    "retry_max_delay": "longest",
    "retry_jitter": "jitter",
    "timeout": "timeout",
}


def policy(given: Mapping[str, Any], most: int, errors: bool | tuple[type[BaseException], ...]) -> Retry:
    """Make the policy of a task: what `workflow.options` says, and for the rest its engine's options."""
    most, wanted = given.get("max_retries", most), given.get("retry_exceptions", errors)
    if isinstance(wanted, list):
        wanted = tuple(wanted)
    if given.keys().isdisjoint(_WORDS):
        return Retry(most, wanted)
    return Retry(most, wanted, **{word: given[name] for name, word in _WORDS.items() if name in given})
