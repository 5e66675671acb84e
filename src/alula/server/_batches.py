"""Putting requests together: one run of a model for several operations, of one command or of many.

Two operations can run together if they run the same model object on inputs that differ in nothing
but the first dimension, the *rows*: as many inputs, of the same dtypes, ranks and other dimensions.
Here is which ones do, how their inputs become one, and how the outputs are cut again. When is left
to the device.
"""

from bisect import insort
from collections.abc import Sequence
from itertools import accumulate
from math import prod
from typing import Any, TypeAlias

from ..errors import CommandError
from ._resident import Value
from ._tensors import Tensor
from ._turns import Job

__all__ = ["Batches", "cut", "join"]

_Group: TypeAlias = tuple[Any, ...]


class Batches:
    """The operations that wait at one device for a model with a batch size."""

    __slots__ = ("_groups",)

    def __init__(self) -> None:
        self._groups: dict[_Group, list[Job]] = {}  # each by arrival of the command, then by listing

    def add(self, job: Job) -> list[Job]:
        """Take in what waits from now on; give all of its group if it makes them enough to run."""
        job.group = _group(job)
        if job.group is None:
            return []
        group = self._groups.setdefault(job.group, [])
        insort(group, job)
        least = job.target.minbatchsize
        return list(group) if least and sum(other.rows for other in group) >= least else []

    def remove(self, job: Job) -> None:
        """Forget an operation that will not run."""
        if job.group is not None:
            self._drop(job.group, {job})

    def take(self, first: Job, *, due: bool) -> list[Job]:
        """Give what is to run now, together with an operation that may begin; nothing if it must wait.

        Parameters
        ----------
        first
            Its own command's turn has come.
        due
            Whether it has waited for so long that it runs with what there is.
        """
        if first.group is None:
            return [first]
        size, least = first.target.batchsize, first.target.minbatchsize
        jobs, rows = [first], first.rows
        if rows < size:
            for job in self._groups[first.group]:
                if rows >= max(size, least):  # what is never enough would never run
                    break
                if job is not first:
                    jobs.append(job)
                    rows += job.rows
            if rows < least and not due:
                return []
        self._drop(first.group, set(jobs))
        return jobs

    def _drop(self, key: _Group, jobs: set[Job]) -> None:
        left = [job for job in self._groups[key] if job not in jobs]
        if left:
            self._groups[key] = left
        else:
            del self._groups[key]
        for job in jobs:
            job.group = None


def _group(job: Job) -> _Group | None:
    """Give what inputs that can be joined have in common; None if these cannot be joined to any."""
    rows = {value.shape[0] if value.shape else 0 for value in job.inputs}
    if len(rows) != 1 or 0 in rows:
        return None
    return (job.target, *[(value.dtype.name, value.shape[1:]) for value in job.inputs])


# ----------------------------------------------------------------------------------- the tensors


def join(requests: Sequence[Sequence[Value]]) -> list[Tensor]:
    """Put the inputs of several operations together, one behind the other along the first dimension."""
    return [_joined([value.host() for value in values]) for values in zip(*requests, strict=True)]


def _joined(tensors: list[Tensor]) -> Tensor:
    # Row-major elements without padding, strings with their closing NULs: the data just follows on.
    rows = sum(tensor.shape[0] for tensor in tensors)
    data = b"".join([tensor.data for tensor in tensors])
    return Tensor(tensors[0].dtype, (rows, *tensors[0].shape[1:]), data)


def cut(outputs: Sequence[Value], rows: Sequence[int]) -> list[tuple[Value, ...]]:
    """Cut the outputs of a batch into those of its operations.

    Parameters
    ----------
    outputs
        Of the run.
    rows
        How many of each output belong to each operation.

    Raises
    ------
    CommandError
        If an output has not one row for each row of the inputs.
    """
    ends = list(accumulate(rows))
    pieces: list[list[Value]] = [[] for _ in rows]
    for output in outputs:
        if not output.shape or output.shape[0] != ends[-1]:
            raise CommandError("ERR Model did not generate the expected batch size")
        for piece, tensor in zip(pieces, _pieces(output.host(), ends), strict=True):
            piece.append(tensor)
    return [tuple(piece) for piece in pieces]


def _pieces(tensor: Tensor, ends: Sequence[int]) -> list[Tensor]:
    rest = tensor.shape[1:]
    pieces = []
    strings = None if tensor.dtype.size else tensor.strings()
    begin = 0
    for end in ends:
        if strings is None:
            width = tensor.dtype.size * prod(rest)
            data = bytes(tensor.data[begin * width : end * width])  # so that no piece keeps the whole
        else:
            data = b"".join([text + b"\0" for text in strings[begin * prod(rest) : end * prod(rest)]])
        pieces.append(Tensor(tensor.dtype, (end - begin, *rest), data))
        begin = end
    return pieces
