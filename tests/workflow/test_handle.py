from concurrent.futures import Future
from typing import Any, cast

import pytest

from alula.errors import GetTimeoutError
from alula.workflow import Executor, Handle
from alula.workflow._vault import Output, Stored


class Late(Future[Output]):
    """Settles in the moment in which somebody's patience has ended."""

    def __init__(self, outcome: BaseException | None) -> None:
        super().__init__()
        self._outcome = outcome

    def result(self, timeout: float | None = None) -> Output:
        if not self.done():
            if self._outcome is None:
                self.set_result(Stored(""))
            else:
                self.set_exception(self._outcome)
            raise TimeoutError
        return super().result(timeout)


class Opened(Handle[Any]):
    def _open(self, output: Output) -> Any:
        return output


def handle(future: Future[Output]) -> Handle[Any]:
    return Opened("w", future, cast("Executor", None))


def test_what_comes_when_the_time_is_over_is_given_all_the_same() -> None:
    assert handle(Late(None)).result(0.001) == Stored("")
    with pytest.raises(ValueError, match="wrong"):
        handle(Late(ValueError("wrong"))).result(0.001)


def test_a_timeout_is_told_from_one_with_which_the_workflow_ended() -> None:
    with pytest.raises(GetTimeoutError):
        handle(Future()).result(0)
    with pytest.raises(TimeoutError, match="its own"):
        handle(Late(TimeoutError("its own"))).result(0.001)
