"""CLIENT PAUSE: commands that wait until an operator lets them go on, or the time is over."""

import asyncio
from collections.abc import Callable
from typing import Final

__all__ = ["Pause"]

_LONGEST: Final = 86400.0  # seconds; a loop's alarms need not be good for more


class Pause:
    """Holds up commands, all of them or those that write.

    Parameters
    ----------
    changed
        Called when a pause begins or ends.

    Attributes
    ----------
    on
        Whether there is one.
    everything
        Whether it is not for those alone that write.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.on = self.everything = False
        self._changed = changed
        self._until = 0.0  # by the loop's clock
        self._alarm: asyncio.TimerHandle | None = None
        self._waiting: dict[Callable[[], None], None] = {}

    def begin(self, seconds: float, *, everything: bool) -> None:
        """Begin a pause; one that goes on lasts as long, and is for as many, as either of the two says."""
        until = asyncio.get_running_loop().time() + seconds
        self._until = max(until, self._until) if self.on else until
        self.everything = everything or (self.on and self.everything)
        self.on = True
        self._set_alarm()
        self._changed()

    def wait(self, go_on: Callable[[], None]) -> Callable[[], None]:
        """Call `go_on` when it is over, unless the function that this gives is called before."""
        self._waiting[go_on] = None
        return lambda: self._waiting.pop(go_on, None)

    def end(self) -> None:
        """Let everything go on, in the order in which it came."""
        if self._alarm is not None:
            self._alarm.cancel()
        waiting, self._waiting = self._waiting, {}
        self.on = self.everything = False
        self._changed()
        for go_on in waiting:
            go_on()

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_later(min(_LONGEST, self._until - loop.time()), self._rang)

    def _rang(self) -> None:
        if asyncio.get_running_loop().time() < self._until:
            self._set_alarm()
        else:
            self.end()
