"""Questions to all processes of a session, and the socket at which others ask."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from alula.futures._embedded._survey import Surveys, Window, reply


class Hand:
    """A clock that is set by hand."""

    now = 10.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def surveys(clock: Hand) -> Surveys:
    return Surveys(clock)


def asked(surveys: Surveys, *processes: int) -> tuple[int, list[dict[int, Any]]]:
    """Ask processes; give the ticket and the list in which the answers will be."""
    tickets: list[int] = []
    answers: list[dict[int, Any]] = []
    surveys.start(processes, lambda process, ticket: tickets.append(ticket), answers.append)
    return tickets[0], answers


def test_the_answers_come_together(surveys: Surveys) -> None:
    ticket, answers = asked(surveys, 1, 2)
    surveys.answer(1, ticket, "one")
    assert answers == []
    surveys.answer(2, ticket, "two")
    assert answers == [{1: "one", 2: "two"}]
    assert surveys.patience() is None


def test_nobody_waits_for_a_process_that_has_ended(surveys: Surveys) -> None:
    ticket, answers = asked(surveys, 1, 2)
    surveys.answer(1, ticket, "one")
    surveys.gone(2)
    assert answers == [{1: "one"}]


def test_nobody_waits_for_ever(surveys: Surveys, clock: Hand) -> None:
    ticket, answers = asked(surveys, 1, 2)
    surveys.answer(1, ticket, "one")
    assert surveys.patience() == pytest.approx(0.5)
    clock.now += 1
    assert surveys.patience() == 0
    surveys.expire()
    surveys.answer(2, ticket, "too late")
    assert answers == [{1: "one"}]


def test_who_connects_is_told_and_sends_nothing(tmp_path: Path) -> None:
    window = Window(str(tmp_path / "alula" / "sessions" / "1-a"))
    window.open()
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(str(tmp_path / "alula" / "sessions" / "1-a"))
        client = window.accept()
        assert client is not None
        reply(client, {"facts": "x" * 100_000})
        with visitor.makefile("rb") as file:
            assert json.load(file) == {"facts": "x" * 100_000}
    assert window.accept() is None
    window.close()
    assert list((tmp_path / "alula" / "sessions").iterdir()) == []


def test_a_session_without_a_folder_for_its_socket_is_merely_not_seen(tmp_path: Path) -> None:
    (tmp_path / "alula").mkdir(mode=0o777)
    os.chmod(tmp_path / "alula", 0o777)  # others can write to it
    window = Window(str(tmp_path / "alula" / "sessions" / "1-a"))
    window.open()
    assert window.sock is None
    window.close()
