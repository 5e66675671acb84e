"""Which descriptors can be read or written."""

import socket
from collections.abc import Callable, Iterator

import pytest

from alula.futures._embedded._poll import READ, WRITE, Poll, Portable, new_poll


@pytest.fixture(params=[new_poll, Portable])
def poll(request: pytest.FixtureRequest) -> Iterator[Poll]:
    make: Callable[[], Poll] = request.param
    made = make()
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_it_tells_what_can_be_read_and_written(poll: Poll, pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    number = ours.fileno()
    poll.register(number, READ)
    assert not poll.poll(0, 8)
    theirs.send(b"x")
    assert list(poll.poll(None, 8)) == [(number, READ)]
    poll.modify(number, READ | WRITE)
    assert list(poll.poll(None, 8)) == [(number, READ | WRITE)]
    poll.unregister(number)
    assert not poll.poll(0, 8)


def test_an_end_can_be_read(poll: Poll, pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    poll.register(ours.fileno(), READ)
    theirs.close()
    [(number, events)] = poll.poll(None, 8)
    assert number == ours.fileno()
    assert events & READ


def test_it_gives_no_more_than_is_asked_for(poll: Poll, pair: tuple[socket.socket, socket.socket]) -> None:
    for end in pair:
        poll.register(end.fileno(), WRITE)
    assert len(poll.poll(0, 1)) == 1
    assert len(poll.poll(0, 8)) == 2
