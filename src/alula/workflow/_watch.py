"""Waiting for what others do: questions that are asked again whenever there is news.

A question looks into the records. News is a ring of the store's doorbell, or a record written here; and
because the death of an executor rings no bell, every question is asked once a second in any case.
"""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition, Thread, current_thread
from typing import Final, TypeAlias

from ..errors import WorkflowError
from ..graph import Done, Failed
from ..store import Store
from ._vault import Output

__all__ = ["TOPIC", "Question", "Watch"]

TOPIC: Final = "workflows"
"""Rung whenever a workflow has ended, or changed hands."""

_LOOK: Final = 1.0  # seconds after which to look, bell or not
_END: Final = 15.0  # seconds that the end waits for a look that is under way

Question: TypeAlias = Callable[[], Done[Output] | Failed | None]
"""Looks once; None says that there is no answer yet."""

_Open: TypeAlias = tuple[Question, Future[Output]]


class Watch:
    """Answers questions about the records of one store, in a thread that is started by the first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: list[_Open] = []
        self._news = Condition()
        self._heard = self._closed = False
        self._stop: Callable[[], None] | None = None
        self._thread: Thread | None = None

    def ask(self, question: Question) -> Future[Output]:
        """Give the future answer to a question."""
        future: Future[Output] = Future()
        future.set_running_or_notify_cancel()
        if (answer := _look(question)) is not None:
            _settle(future, answer)
            return future
        with self._news:
            if self._closed:
                raise _closed()
            if self._stop is None:
                self._stop = self._store.listen(TOPIC, self.poke)
                self._thread = Thread(target=self._run, name="alula-workflow-watch", daemon=True)
                self._thread.start()
            self._open.append((question, future))
        self.poke()
        return future

    def poke(self) -> None:
        """Say that there may be news; costs nothing while nobody asks."""
        if self._open:
            with self._news:
                self._heard = True
                self._news.notify()

    def close(self) -> None:
        """Stop looking; what is still asked fails with `WorkflowError`."""
        with self._news:
            self._closed = True
            self._news.notify()
            left, self._open = self._open, []
        if self._stop is not None:
            self._stop()
        if self._thread is not None and self._thread is not current_thread():
            self._thread.join(_END)  # it may be reading
        for _, future in left:
            future.set_exception(_closed())

    def _run(self) -> None:
        while self._wait():
            for pair in list(self._open):
                answer = _look(pair[0])
                if answer is not None and self._take(pair):
                    _settle(pair[1], answer)

    def _take(self, pair: _Open) -> bool:
        """Take a question off the list, unless `close` has done so."""
        with self._news:
            found = pair in self._open
            self._open = [other for other in self._open if other is not pair]
        return found

    def _wait(self) -> bool:
        with self._news:
            self._news.wait_for(lambda: self._heard or self._closed, _LOOK if self._open else None)
            self._heard = False
            return not self._closed


def _closed() -> WorkflowError:
    return WorkflowError("the executor through which this was asked is closed")


def _look(question: Question) -> Done[Output] | Failed | None:
    try:
        return question()
    except Exception as error:  # whatever the records say or hide, who waits must hear it
        return Failed(error)


def _settle(future: Future[Output], answer: Done[Output] | Failed) -> None:
    if isinstance(answer, Done):
        future.set_result(answer.value)
    else:
        future.set_exception(answer.error)
