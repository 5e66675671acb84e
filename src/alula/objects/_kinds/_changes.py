"""Revisions of a frame: the first is a frame, each later one a change to it, found by the index."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from ._kind import Ask
from ._parquet import marks, read

__all__ = ["DELETED", "merged", "traced"]

DELETED: Final = "alula.delete"
"""Marks a change that takes rows away."""


def merged(parts: Sequence[Any], ask: Ask) -> Any:
    """Give the frame after all changes: rows keep their place, new ones come after them."""
    frame = None
    for gone, run in groupby(parts, key=lambda part: DELETED in marks(part)):
        if gone:
            for part in run:
                assert frame is not None  # the first change is never one that takes away
                frame = frame[~frame.index.isin(_index(part))]
        else:
            frame = _over(frame, read([*run], ask))
    return frame


def _over(frame: Any, changes: Any) -> Any:
    """Lay changes over a frame; of several for one row the last counts."""
    import pandas

    both = changes if frame is None else pandas.concat([frame, changes])
    if both.index.is_unique:
        return both
    order = both.index[~both.index.duplicated(keep="first")]
    return both[~both.index.duplicated(keep="last")].reindex(order)


def _index(part: Any) -> Any:
    return read([part], Ask()).index


def traced(parts: Sequence[Any], changes: Sequence[tuple[int, float]]) -> Any:
    """Give every change one after the other, and for each row which it was of.

    Parameters
    ----------
    changes
        For each part the number of its revision, and when it was put, in UNIX seconds.
    """
    import pandas

    frames = []
    for part, (number, put) in zip(parts, changes, strict=True):
        facts = {
            "_revision": number,
            "_changed": pandas.Timestamp(datetime.fromtimestamp(put, UTC)),
            "_deleted": DELETED in marks(part),
        }
        frames.append(read([part], Ask()).assign(**facts))
    return pandas.concat(frames)
