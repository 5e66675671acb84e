"""A bar that gives references as they get their values."""

import io
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from alula.futures import ObjectRef, get, progress, put, remote
from alula.testing import Turnstile
from tests.faults.processes import LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("engine")


@remote
def echo(value: Any) -> Any:
    return value


@remote
def hold(turnstile: Turnstile) -> str:
    turnstile.wait()
    return "late"


@remote
def fail() -> None:
    raise ValueError("bad")


def test_references_come_when_they_are_ready(turnstile: Turnstile) -> None:
    refs = [hold.remote(turnstile), echo.remote(1)]
    bar = progress(refs)
    assert next(bar) is refs[1]
    turnstile.let()
    assert next(bar) is refs[0]
    assert list(bar) == []


def test_each_comes_once_for_each_time_that_it_was_given() -> None:
    ref = put(1)
    assert list(progress([ref, ref])) == [ref, ref]
    assert list(progress([])) == []


def test_without_a_terminal_one_line_tells_how_it_went(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(list(progress([echo.remote(1), fail.remote(), echo.remote(2)], description="train"))) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("train: 3 of 3 ready, 1 failed in ")
    assert err.count("\n") == 1


def test_what_is_no_list_is_taken_as_it_comes(capsys: pytest.CaptureFixture[str]) -> None:
    assert [get(ref) for ref in progress(put(i) for i in range(3))] == [0, 1, 2]
    assert capsys.readouterr().err.startswith("3 ready in ")


def test_on_a_terminal_it_is_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    assert len(list(progress([echo.remote(1), fail.remote()], description="train"))) == 2
    assert "train" in terminal.getvalue()
    assert "2/2" in terminal.getvalue()
    assert "1 failed" in terminal.getvalue()


@pytest.mark.parametrize("values", [[1], [put, 2]])
def test_what_is_no_reference_is_refused_at_once(values: Any) -> None:
    with pytest.raises(TypeError, match="takes references"):
        progress(values)


def test_a_task_that_shows_progress_lends_its_core() -> None:
    @remote(num_cpus=2)
    def inside() -> int:
        return len(list(progress([echo.remote(i) for i in range(3)])))

    assert get(inside.remote(), timeout=LIMIT) == 3


def test_a_bar_that_is_left_ends() -> None:
    bar: Iterator[ObjectRef[int]] = progress([put(1), put(2)])
    next(bar)
    close: Callable[[], None] = bar.close  # type: ignore[attr-defined]  # it is a generator
    close()
    assert list(bar) == []


def test_nothing_is_imported_for_it_before_it_is_used() -> None:
    code = "import sys, alula.futures; raise SystemExit('rich' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
