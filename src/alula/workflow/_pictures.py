"""Pictures of workflows that were run: the graph with all that became of it.

What a node means is said by its label and note as well as by its colour.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Final

from ..errors import TaskError
from ..graph import Look, Shape, State, svg
from ._folds import STATES, Fold, fold
from ._history import Event, History

__all__ = ["Picture", "caption", "counted", "duration", "label", "note", "picture_of"]

_LONGEST: Final = 32  # characters of a name in a box
_MODULES: Final = re.compile(r"([^\W\d]\w*\.)+(?=[^\W\d]\w*$)")  # of a function's name; not "v1.2"
_SHAPES: Final[dict[str, Shape]] = {
    "sleep": "clock",
    "due": "clock",
    "event": "event",
    "acknowledge": "event",
    "signal": "signal",
    "wait": "wait",
}
_WORDS: Final[dict[State, str]] = {"skipped": "not run"}


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG picture, self-contained, for light and dark pages; `str` gives its text.

    Attributes
    ----------
    svg
        One ``<svg>`` element.
    """

    svg: str

    def __str__(self) -> str:
        return self.svg

    def _repr_svg_(self) -> str:
        return self.svg

    _repr_html_ = _repr_svg_

    def save(self, path: str | PathLike[str]) -> None:
        """Write it into a file, over what was there.

        Raises
        ------
        OSError
            If that cannot be written.
        """
        Path(path).write_text(self.svg, encoding="utf-8")


def picture_of(history: History, most: int, link: Callable[[str], str] | None = None) -> Picture:
    """Draw a history, with chains and fans of more than `most` alike tasks folded.

    Parameters
    ----------
    link
        Gives for the id of a task where its box leads.
    """
    folded = fold(history, most)
    looks = {key: _look(part, link) for key, part in folded.folds.items()}
    return Picture(svg(looks, folded.edges, folded.grown, caption(history)))


def caption(history: History) -> str:
    """Say what a picture shows: the workflow, where it stands, and how long it took."""
    took = duration(history.until - history.began)
    return f"{_shortened(history.id, 60)} · {history.status.lower()} · {took}"


def _look(part: Fold, link: Callable[[str], str] | None) -> Look:
    first = part.events[0]
    return Look(
        label=label(part),
        durable=first.durable,
        state=part.state,
        note=note(part),
        shape=_SHAPES.get(first.kind, "box"),
        count=len(part.events),
        inplace=any(event.inplace for event in part.events),
        tip=_tip(part),
        link="" if link is None else link(first.task_id),
    )


def label(part: Fold) -> str:
    """Name one task by its id, several by their names, without the modules and short enough."""
    if len(part.events) == 1:
        return _shortened(_MODULES.sub("", part.events[0].task_id))
    names = list(dict.fromkeys([_MODULES.sub("", event.name) for event in part.events]))
    return _shortened(names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}")


def note(part: Fold) -> str:
    """Say where tasks stand unless all is done, how long they took, and whether they were tried again."""
    told = _standing(part.events)
    if part.started is not None and part.ended is not None:
        told.append(duration(part.ended - part.started))
    if len(part.events) == 1:
        told += _trouble(part.events[0])
    else:
        again = sum(event.attempts > 1 for event in part.events)
        told += [f"{again:,} tried again"] * bool(again)
        caught = sum(e.error is not None and e.state == "done" and e.attempts < 2 for e in part.events)
        told += [f"{caught:,} after errors"] * bool(caught)
    return " · ".join(told)


def _trouble(event: Event) -> Iterator[str]:
    if event.attempts > 1:
        yield f"{event.attempts} attempts"
    if event.error is not None:
        kind = type(event.error.cause if isinstance(event.error, TaskError) else event.error).__name__
        yield kind if event.state == "failed" else f"after {kind}"


def _standing(events: Sequence[Event]) -> list[str]:
    count = Counter(event.state for event in events)
    if len(count) == 1:
        return [_word(state) for state in count if state != "done"]
    return [f"{count[state]:,} {_word(state)}" for state in STATES if count[state]]


def _tip(part: Fold) -> str:
    first, last = part.events[0], part.events[-1]
    if first is last:
        place = ", in place" if first.inplace else ""
        return f"{first.task_id}: {_word(first.state)}{place}"
    return f"{first.task_id} to {last.task_id}: {'a chain' if part.is_chain else 'alike'}"


def _word(state: State) -> str:
    return _WORDS.get(state, state)


def _shortened(name: str, longest: int = _LONGEST) -> str:
    if len(name) <= longest:
        return name
    tail = longest * 2 // 5
    return f"{name[: longest - tail - 1]}…{name[-tail:]}"


def counted(number: int, what: str) -> str:
    """Say how many there are of something, of one as of several."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def duration(seconds: float) -> str:
    """Say how long something took, in two or three digits."""
    seconds = max(0.0, seconds)
    if seconds < 0.9995:
        return _small(seconds)
    if seconds < 99.5:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    if seconds < 5970:
        return _parts(round(seconds), "min", "s")
    minutes = round(seconds / 60)
    return _parts(minutes, "h", "min") if minutes < 6000 else f"{minutes / 1440:,.0f} days"


def _small(seconds: float) -> str:
    if seconds < 0.0009995:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.0095 else f"{seconds * 1000:.1f} ms"


def _parts(total: int, large: str, small: str) -> str:
    whole, rest = divmod(total, 60)
    return f"{whole} {large} {rest:02} {small}" if rest else f"{whole} {large}"
