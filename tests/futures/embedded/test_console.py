"""Lines of workers: whole, in their order, each under the name of whoever wrote it."""

import io
import os
from typing import Any

import pytest

from alula.futures._embedded._console import Console, Tap
from alula.futures._embedded._loop import Loop
from alula.futures._embedded._output import mark
from alula.futures._embedded._wire import Descriptor

MARK = mark(b"1234")


@pytest.fixture
def tap() -> Tap:
    read, write = os.pipe()
    os.close(write)
    return Tap(Descriptor(read), "stdout", 7, MARK)


def test_only_whole_lines_are_shown(tap: Tap) -> None:
    assert tap.lines(b"one\ntw") == [("", "one")]
    assert tap.lines(b"o\n\n") == [("", "two"), ("", "")]
    assert tap.lines(b"three", last=False) == []
    assert tap.lines(b"", last=True) == [("", "three")]


def test_a_mark_names_what_follows_and_ends_an_open_line(tap: Tap) -> None:
    assert tap.lines(MARK + b"first\none\nope") == [("first", "one")]
    assert tap.lines(b"n" + MARK + b"sec") == []
    assert tap.lines(b"ond\ntwo\n") == [("first", "open"), ("second", "two")]


def test_a_line_without_end_is_shown_in_parts(tap: Tap) -> None:
    [(_, part)] = tap.lines(b"x" * 70_000)
    assert len(part) == 70_000
    assert tap.lines(b"y\n") == [("", "y")]


def test_of_a_line_that_was_written_over_the_last_state_is_shown(tap: Tap) -> None:
    assert tap.lines(b" 10%\r 50%\r100%\r\n") == [("", "100%")]


def test_bytes_that_are_no_text_are_shown_as_far_as_they_can_be(tap: Tap) -> None:
    assert tap.lines(b"a\xffb\n") == [("", "a�b")]


@pytest.fixture
def loop() -> Any:
    loop = Loop(lambda: None, print)
    loop.start()
    yield loop
    loop.close()


def shown(loop: Loop, *pieces: bytes) -> None:
    """Let a worker that writes these to its standard output live and end."""
    ours, theirs = zip(*(os.pipe() for _ in range(2)), strict=True)
    console = Console(loop, b"1234")
    with loop.lock:
        console.listen(7, [Descriptor(end) for end in ours])
    for piece in pieces:
        os.write(theirs[0], piece)
    for end in theirs:
        os.close(end)
    console.close()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_left_in_the_pipes_is_shown_at_the_end(
    loop: Loop, capsys: pytest.CaptureFixture[str]
) -> None:
    shown(loop, MARK + b"f\nlast words")
    assert capsys.readouterr().out == "(f pid=7) last words\n"


@pytest.mark.parametrize("plain", ["", "1"])
def test_names_are_coloured_on_a_terminal_that_wants_it(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, plain: str
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("NO_COLOR", plain)
    shown(loop, MARK + b"f\nhello\n")
    assert terminal.getvalue() == ("(f pid=7) hello\n" if plain else "\x1b[36m(f pid=7)\x1b[0m hello\n")


def test_what_a_stream_cannot_write_is_written_in_letters_that_it_can(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    shown(loop, "ü\n".encode())
    assert raw.getvalue() == b"( pid=7) \\xfc\n"


@pytest.mark.parametrize("closed", [True, False])
def test_a_stream_that_is_closed_or_missing_harms_nobody(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, closed: bool
) -> None:
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr("sys.stdout", stream if closed else None)
    shown(loop, b"hello\n")
