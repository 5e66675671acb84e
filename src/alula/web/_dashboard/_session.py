"""Sessions of browsers: what a cookie stands for, and what every form has to show.

They live in this process: whoever logs out is out, and a restart asks everybody to log in again. A cookie is
a random number, and never the token.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import compare_digest
from secrets import token_urlsafe
from threading import Lock
from time import monotonic
from typing import Final

__all__ = ["Notice", "Session", "Sessions"]

_LASTS: Final = 12 * 3600.0  # seconds after which somebody has to log in again
_MOST: Final = 10_000  # who never comes back must not fill the memory


@dataclass(frozen=True, slots=True)
class Notice:
    """A line that the next page begins with.

    Attributes
    ----------
    text
        What has happened.
    failed
        Whether it is bad news.
    """

    text: str
    failed: bool = False


@dataclass(slots=True)
class Session:
    """One browser.

    Attributes
    ----------
    id
        What its cookie holds.
    token
        With which it has logged in; None before that, and where no token is asked for.
    csrf
        What every form of its pages carries.
    bucket
        The name space that its pages show; None is that of the settings.
    notices
        Shown on the next page, once.
    until
        When it ends, on the monotonic clock.
    """

    id: str
    until: float
    token: str | None = None
    csrf: str = field(default_factory=token_urlsafe)
    bucket: str | None = None
    notices: list[Notice] = field(default_factory=list)

    def proves(self, given: str) -> bool:
        """Tell whether a form comes from a page of this session."""
        return compare_digest(given.encode(), self.csrf.encode())


class Sessions:
    """All sessions of one server; safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock, self._lock = clock, Lock()
        self._known: OrderedDict[str, Session] = OrderedDict()

    def find(self, id_: str | None) -> Session | None:
        """Give the session of a cookie; None if there is none, or it is over."""
        with self._lock:
            found = self._known.get(id_ or "")
            return found if found is not None and found.until > self._clock() else None

    def begin(self, token: str | None = None) -> Session:
        """Begin a session; the oldest goes if there are too many."""
        made = Session(token_urlsafe(), self._clock() + _LASTS, token)
        with self._lock:
            self._known[made.id] = made
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return made

    def end(self, session: Session) -> None:
        """Forget a session."""
        with self._lock:
            self._known.pop(session.id, None)
