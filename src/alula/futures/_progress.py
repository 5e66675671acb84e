"""A bar over references, which gives them as they get their values."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from . import _session
from ._refs import ObjectRef

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["progress"]

T = TypeVar("T")

_PAUSE: Final = 10.0  # s between lines where there is no terminal


def progress(
    refs: Iterable[ObjectRef[T]], *, description: str = "", total: int | None = None
) -> Iterator[ObjectRef[T]]:
    """Show how many references have their values, and give each as soon as it has.

    The bar goes to standard error. Where that is no terminal, a line now and then, and one at the end,
    take its place. Lines that tasks write meanwhile are shown above the bar.

    Parameters
    ----------
    refs
        A list of references, given in the order in which they settle; those that failed as well, which
        `get` will tell. Or any other iterator of references, such as a stream, in its own order.
    description
        What stands before the bar.
    total
        How many references an iterator will give; for a list, their number.

    Raises
    ------
    TypeError
        If a list holds anything but references, or `refs` is neither a list nor an iterator.

    Examples
    --------
    ``results = [alula.get(ref) for ref in alula.progress(refs)]``
    """
    if not isinstance(refs, Iterable):
        raise TypeError(f"progress() takes references, as a list or an iterator, not {type(refs).__name__}")
    if not isinstance(refs, (list, tuple, set, frozenset)):
        return _shown(((ref, False) for ref in refs), description, total)
    for ref in refs:
        if not isinstance(ref, ObjectRef):
            raise TypeError(f"progress() takes references, not {type(ref).__name__}")
    return _shown(_settled(list(refs)), description, len(refs))


def _settled(refs: list[ObjectRef[T]]) -> Iterator[tuple[ObjectRef[T], bool]]:
    """Give each reference when it has settled, and whether it failed."""
    news: SimpleQueue[tuple[int, bool]] = SimpleQueue()

    def watch(index: int, ref: ObjectRef[T]) -> None:
        ref.engine.watch(ref, lambda error: news.put((index, error is not None)))

    for index, ref in enumerate(refs):
        watch(index, ref)
    for _ in refs:
        with _session.waiting():
            index, failed = news.get()
        yield refs[index], failed


def _shown(items: Iterator[tuple[T, bool]], description: str, total: int | None) -> Iterator[T]:
    from rich.console import Console  # slow to import, and only wanted here

    console = Console(stderr=True)
    display = _bar if console.is_terminal or console.is_jupyter else _lines
    done = failures = 0
    with display(console, description, total) as show:
        for item, failed in items:
            done, failures = done + 1, failures + failed
            show(done, failures)
            yield item


class _Show(Protocol):
    def __call__(self, done: int, failures: int) -> None: ...


@contextmanager
def _bar(console: "Console", description: str, total: int | None) -> Iterator[_Show]:
    from rich import progress as rich

    columns: list[Any] = [
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TextColumn("[red]{task.fields[failed]}"),
        rich.TimeElapsedColumn(),
        rich.TimeRemainingColumn(),
    ]
    with rich.Progress(*columns, console=console) as bar:
        task = bar.add_task(description, total=total, failed="")

        def show(done: int, failures: int) -> None:
            bar.update(task, completed=done, failed=f"{failures} failed" if failures else "")

        yield show


@contextmanager
def _lines(console: "Console", description: str, total: int | None) -> Iterator[_Show]:
    start = last = monotonic()
    before = f"{description}: " if description else ""
    state = ""

    def show(done: int, failures: int) -> None:
        nonlocal last, state
        of = "" if total is None else f" of {total}"
        state = f"{before}{done}{of} ready" + (f", {failures} failed" if failures else "")
        if monotonic() - last >= _PAUSE:
            last = monotonic()
            console.print(f"{state} after {last - start:.0f} s", highlight=False, markup=False)

    yield show
    if state:
        console.print(f"{state} in {monotonic() - start:.1f} s", highlight=False, markup=False)
