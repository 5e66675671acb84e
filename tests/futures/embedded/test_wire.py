"""Messages arrive whole, in their order and with their descriptors, however the bytes are cut."""

import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.futures._embedded._wire import Channel, Descriptor

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@contextmanager
def channels() -> Iterator[tuple[Channel, Channel]]:
    ours, theirs = map(Channel, socket.socketpair())
    try:
        yield ours, theirs
    finally:
        ours.close()
        theirs.close()


def received(channel: Channel, count: int) -> list[tuple[Any, list[Descriptor]]]:
    """Read until so many messages are there."""
    found: list[tuple[Any, list[Descriptor]]] = []
    while len(found) < count:
        found += channel.receive()
    return found


def opened() -> int:
    return len(os.listdir("/proc/self/fd"))


@given(st.lists(st.lists(plain).map(tuple), max_size=20))
def test_messages_arrive_as_they_were_sent(messages: list[Any]) -> None:
    with channels() as (ours, theirs):
        for message in messages:
            ours.send(message)
        assert [message for message, _ in received(theirs, len(messages))] == messages


@given(st.lists(st.binary(max_size=50), min_size=1), st.lists(st.integers(1, 30), min_size=1))
def test_a_stream_may_be_cut_anywhere(bodies: list[bytes], cuts: list[int]) -> None:
    with channels() as (ours, theirs), channels() as (relay, end):
        for body in bodies:
            ours.send((body,))
        stream = theirs.sock.recv(1 << 20)
        found: list[Any] = []
        for i in range(len(stream)):
            size = cuts[i % len(cuts)]
            piece, stream = stream[:size], stream[size:]
            relay.sock.send(piece or b"")
            found += [message for message, _ in end.receive()]
        assert found == [(body,) for body in bodies]


def test_what_the_other_side_does_not_read_waits() -> None:
    with channels() as (ours, theirs):
        messages = [(i, bytes(100_000)) for i in range(100)]
        for message in messages:
            ours.send(message)
        assert ours.blocked
        found: list[Any] = []
        while len(found) < 100:
            found += [message for message, _ in theirs.receive()]
            ours.flush()
        assert found == messages
        assert not ours.blocked


def test_a_message_may_be_much_larger_than_what_is_read_at_once() -> None:
    with channels() as (ours, theirs):
        ours.send((bytes(20_000_000),))
        found: list[Any] = []
        while not found:
            ours.flush()
            found = theirs.receive()
        assert len(found[0][0][0]) == 20_000_000


def test_nothing_to_read_is_no_message_and_no_error() -> None:
    with channels() as (ours, _):
        assert ours.receive() == []


def test_the_end_comes_after_all_that_was_sent() -> None:
    with channels() as (ours, theirs):
        ours.send(("last",))
        ours.close()
        assert [message for message, _ in theirs.receive()] == [("last",)]
        with pytest.raises(EOFError):
            theirs.receive()


def test_a_connection_without_another_end_is_broken() -> None:
    with channels() as (ours, theirs):
        theirs.close()
        ours.send(("into the void",))
        assert ours.broken
        ours.send(("again",))
        with pytest.raises(EOFError):
            ours.receive()


@pytest.mark.parametrize("count", [1, 250, 251, 600])
def test_descriptors_travel_and_are_closed_with_their_owner(count: int) -> None:
    before = opened()
    with channels() as (ours, theirs):
        sent = [Descriptor(os.dup(0)) for _ in range(count)]
        ours.send(("first",))
        ours.send(("with", count), sent)
        ours.send(("last",))
        del sent
        found = received(theirs, 3)
        assert [len(fds) for _, fds in found] == [0, count, 0]
        del found
    assert opened() == before


def test_descriptors_wait_with_their_message() -> None:
    with channels() as (ours, theirs):
        reading, writing = os.pipe()
        ours.send((bytes(10_000_000),))
        ours.send(("pipe",), [Descriptor(writing)])  # nobody else holds it now
        found: list[Any] = []
        while len(found) < 2:
            ours.flush()
            found += theirs.receive()
        os.write(found[1][1][0].fileno(), b"x")
        assert os.read(reading, 1) == b"x"
        os.close(reading)


def test_descriptors_that_were_never_taken_are_closed() -> None:
    before = opened()
    with channels() as (ours, theirs):
        ours.send(("taken",), [Descriptor(os.dup(0))])
        theirs.receive()
        ours.send((bytes(10_000_000),))
        ours.send(("not sent",), [Descriptor(os.dup(0))])
    assert opened() == before


def test_a_descriptor_can_be_handed_over() -> None:
    descriptor = Descriptor(os.dup(0))
    number = descriptor.detach()
    del descriptor
    os.close(number)  # it is still open


def test_a_process_without_room_for_a_descriptor_is_told() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with channels() as (ours, theirs):
        ours.send(("x",), [Descriptor(os.dup(0)) for _ in range(5)])
        free = os.dup(0)  # the lowest number that is free
        os.close(free)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
            with pytest.raises(OSError, match="ulimit"):
                theirs.receive()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
