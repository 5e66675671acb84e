"""The traceback of a failed task as text: one story, also when it went through several processes.

A `TaskError` that a task lets pass brings the story of the task that raised it: the frames of this task
go in front of it, each part under the name of its task and the number of its process. Frames of the
engine are left out. What the error says at its end, its notes, travels beside the text.
"""

import os
import traceback
from collections.abc import Iterator
from itertools import dropwhile
from pathlib import Path
from typing import Final

from ..errors import TaskError

__all__ = ["story"]

_HEAD: Final = "Traceback (most recent call last):\n"
_CAUSE: Final = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT: Final = "\nDuring handling of the above exception, another exception occurred:\n\n"

_ROOT: Final = Path(__file__).parents[1]
_OURS: Final = tuple(str(_ROOT / layer) + os.sep for layer in ("futures", "workflow", "runtime"))
_ASYNCIO: Final = str(Path(os.__file__).parent / "asyncio") + os.sep  # not imported for its path alone
_BELOW: Final = (*_OURS, _ASYNCIO)  # what may lie between us and the body


def story(error: BaseException, task: str) -> str:
    """Write how `error` came about in `task`, in this process: all but the notes of the error itself."""
    where = f"  Task {task} (pid={os.getpid()})\n"
    return "".join(_told(error, where, set(), notes=False)).rstrip()


def _told(error: BaseException, where: str, seen: set[int], *, notes: bool) -> Iterator[str]:
    """Tell of an error after whatever led to it."""
    seen.add(id(error))
    before, words = _before(error)
    if before is not None and id(before) not in seen:
        yield from _told(before, where, seen, notes=True)
        yield words
    yield from _alone(error, where, notes=notes)


def _before(error: BaseException) -> tuple[BaseException | None, str]:
    if isinstance(error, TaskError):
        return None, ""  # its cause is told in its own story
    if error.__cause__ is not None:
        return error.__cause__, _CAUSE
    return None if error.__suppress_context__ else error.__context__, _CONTEXT


def _alone(error: BaseException, where: str, *, notes: bool) -> Iterator[str]:
    report = traceback.TracebackException.from_exception(error, compact=True)
    _tidy(report)
    report.__cause__ = report.__context__ = None
    if isinstance(error, TaskError):
        yield from _behind(where + "".join(report.stack.format()), error.remote_traceback)
        yield from ("\n" + note for note in (getattr(error, "__notes__", ()) if notes else ()))
        yield "\n"
        return
    if not notes:
        report.__notes__ = []
    if report.exceptions:
        first, *rest = report.format()
        yield from (first, f"  | {where}", *rest)
    else:
        yield from (_HEAD, where, *report.stack.format(), *report.format_exception_only())


def _behind(frames: str, far: str) -> Iterator[str]:
    """Put frames of this process before those of the one where it was raised."""
    start = far.rfind("\n" + _HEAD) + 1  # 0 if there is but one, or none
    if far.startswith(_HEAD, start):
        yield from (far[:start], _HEAD, frames, far[start + len(_HEAD) :])
    else:  # a group, or a text of somebody else's
        yield from (_HEAD, frames, far)


def _tidy(report: traceback.TracebackException) -> None:
    """Leave the engine's frames out of a report and of all that hangs on it."""
    parts = [report]
    for part in parts:
        frames = dropwhile(lambda frame: frame.filename.startswith(_BELOW), part.stack)
        kept = [frame for frame in frames if not frame.filename.startswith(_OURS)]
        part.stack = traceback.StackSummary.from_list(kept)
        links = (part.__cause__, part.__context__, *(part.exceptions or ()))
        parts += [link for link in links if link is not None]
