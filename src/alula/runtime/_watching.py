"""Watching: how far tasks are while they run, in a notebook, in a terminal, or as lines of text.

Where nobody could see a line change, as in a file, each change is a line of its own.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from .._core._html import bar, grid, seconds, short, status
from ..errors import GetTimeoutError
from ._progress import Progress

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Watched", "watch"]

_FINAL: Final = ("SUCCESS", "FAILURE", "REVOKED")
_GLANCE: Final = 0.2  # seconds between two looks
_PAUSE: Final = 1.0  # seconds between two lines about one task, where each is a line of its own
_MOST: Final = 20  # tasks that are shown one by one
_STYLES: Final = {"STARTED": "blue", "RETRY": "yellow", "SUCCESS": "green", "FAILURE": "red"}
_SIGNS: Final = {"STARTED": "●", "RETRY": "↻", "SUCCESS": "✓", "FAILURE": "✗", "REVOKED": "⊘"}


class Watched(Protocol):
    """What is watched: the result of a task."""

    id: str

    @property
    def status(self) -> Any:
        """Where the task stands."""
        ...

    @property
    def progress(self) -> Progress | None:
        """What it last said of its progress."""
        ...

    @property
    def title(self) -> str:
        """What people call it."""
        ...

    def when_done(self, tell: Callable[[Any], object]) -> None:
        """Call once it has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """One task at one moment."""

    id: str
    title: str
    status: str
    progress: Progress | None
    since: float  # seconds that it has been watched

    @property
    def ended(self) -> bool:
        """Whether it has."""
        return self.status in _FINAL

    def text(self) -> str:
        """Write it on one line."""
        told = "" if self.progress is None else f"  {self.progress}"
        return f"{self.title or self.id}  {self.status}{told}"


Lines: TypeAlias = Sequence[Line]
Show: TypeAlias = Callable[[Lines], None]


def watch(results: Sequence[Watched], timeout: float | None) -> None:
    """Show how far tasks are until all have ended.

    Raises
    ------
    GetTimeoutError
        If they have not in time; they go on.
    """
    looks = _Looks(results)
    with _shown() as show:
        while True:
            show(looks.lines())
            if not looks.left:
                return
            if timeout is not None and looks.seconds > timeout:
                raise GetTimeoutError(f"{looks.left} of {len(results)} tasks", timeout)
            looks.wait()


class _Looks:
    """Looks at tasks, and hears of their ends; at many of them it does not look each time.

    Attributes
    ----------
    left
        How many have not ended.
    """

    def __init__(self, results: Sequence[Watched]) -> None:
        self._results, self._began = results, monotonic()
        self.left = len(results)
        self._news: SimpleQueue[Watched] = SimpleQueue()
        self._ended: dict[str, Line] = {}
        for result in results:
            result.when_done(self._news.put)

    @property
    def seconds(self) -> float:
        """For how long this has been going on."""
        return monotonic() - self._began

    def lines(self) -> Lines:
        """Look at the first of those that have not ended; of the others nothing is known."""
        waiting = [result for result in self._results if result.id not in self._ended]
        now = self._ended | {result.id: self._look(result) for result in waiting[:_MOST]}
        unknown = {each.id: Line(each.id, "", "PENDING", None, self.seconds) for each in waiting[_MOST:]}
        return [(now | unknown)[result.id] for result in self._results]

    def wait(self) -> None:
        """Wait for the end of one, or for the time of the next look."""
        with suppress(Empty):
            self._over(self._news.get(timeout=_GLANCE))
            while True:  # others that have ended meanwhile
                self._over(self._news.get_nowait())

    def _over(self, result: Watched) -> None:
        self._ended[result.id] = self._look(result)
        self.left -= 1

    def _look(self, result: Watched) -> Line:
        return Line(result.id, result.title, result.status, result.progress, self.seconds)


@contextmanager
def _shown() -> Iterator[Show]:
    """Give what shows lines where this process is seen."""
    if (display := _display()) is not None:
        yield display
        return
    from rich.console import Console  # slow to import, and only wanted here

    console = Console(stderr=True)
    with _live(console) if console.is_terminal else _plain(console) as show:
        yield show


def _display() -> Show | None:
    """Give what shows lines below the cell of a notebook, if this is a kernel."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is None:
        return None
    from IPython import display  # it is there, for this is its kernel

    ipython: Any = display
    seen: list[Any] = []

    def show(lines: Lines) -> None:
        page = ipython.HTML(_page(lines))
        if seen:
            seen[0].update(page)
        else:
            seen.append(ipython.display(page, display_id=True))

    return show


def _page(lines: Lines) -> str:
    columns = ("task", "does", "status", "progress")[: 4 if any(each.progress for each in lines) else 3]
    rows = [
        (short(each.id), each.title, status(each.status), _bar(each))[: len(columns)] for each in _most(lines)
    ]
    return grid(_sum(lines), columns, rows, total=len(lines))


def _bar(line: Line) -> str:
    told = line.progress
    if told is None:
        return ""
    return str(told) if told.fraction is None else bar(told.fraction, str(told))


@contextmanager
def _live(console: "Console") -> Iterator[Show]:
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    def drawn(lines: Lines) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        for each in _most(lines):
            sign = Text(f"{_SIGNS.get(each.status, '○')} {each.status}", _STYLES.get(each.status, "dim"))
            told = "" if each.progress is None else str(each.progress)
            table.add_row(sign, Text(each.title or each.id), Text(told), Text(seconds(each.since), "dim"))
        if len(lines) > 1:
            table.add_row(Text(""), Text(_sum(lines), "dim"))
        return table

    with Live(console=console, refresh_per_second=8) as live:
        yield lambda lines: live.update(drawn(lines))


@contextmanager
def _plain(console: "Console") -> Iterator[Show]:
    last: dict[str, tuple[Line, float]] = {}

    def show(lines: Lines) -> None:
        for each in (line for line in lines if line.title):  # of what has not begun there is no news
            before, when = last.get(each.id, (None, -_PAUSE))
            changed = before is None or before.status != each.status
            moved = before is not None and before.progress != each.progress
            if changed or (moved and (each.ended or monotonic() - when >= _PAUSE)):
                last[each.id] = each, monotonic()
                console.print(each.text(), markup=False, highlight=False, soft_wrap=True)

    yield show


def _most(lines: Lines) -> Lines:
    """Give those that people want to see first, if there are many: what runs, what failed, what waits."""
    if len(lines) <= _MOST:
        return lines
    order = ("STARTED", "RETRY", "FAILURE", "PENDING", "REVOKED", "SUCCESS")
    return sorted(lines, key=lambda line: order.index(line.status))[:_MOST]


def _sum(lines: Lines) -> str:
    done = sum(line.ended for line in lines)
    failed = sum(line.status == "FAILURE" for line in lines)
    return f"{done:,} of {len(lines):,} ended" + (f", {failed:,} failed" if failed else "")
