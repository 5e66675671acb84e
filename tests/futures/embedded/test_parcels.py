"""Values arrive with the references inside them, each once, whatever shape they make."""

import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.futures._embedded._engine import Embedded
from alula.futures._embedded._machine import Machine
from alula.futures._embedded._peers import Peer
from alula.futures._embedded._values import Blob, Ref, to_blob
from alula.futures._embedded._wire import Channel


class Process:
    """One end of a connection between two engines, which answers only when it is told to."""

    def __init__(self) -> None:
        control, self.node = socket.socketpair()
        self.engine = Embedded(control, Machine(node_id="ab", resources={"CPU": 1}, labels={}, gpus=()))

    def connect(self, end: socket.socket) -> None:
        self.peer = Peer(1, Channel(end))

    def send(self, value: Any) -> None:
        fds: list[Any] = []
        encoded = self.engine.parcels.encode(self.peer, to_blob(value), fds)
        self.peer.channel.send(("value", encoded), fds)

    def take(self) -> list[Any]:
        """Handle what has come; give the values among it."""
        found = []
        for message, fds in self.peer.channel.receive():
            if message[0] == "value":
                found.append(self.engine.parcels.decode(self.peer, message[1], fds).load())
            else:
                self.engine._on_message(self.peer, message, fds)
        return found

    def ref(self, blob: Blob | None = None) -> Ref[Any]:
        [ref] = self.engine.new_refs(1)
        ref.blob = blob
        return ref

    def close(self) -> None:
        self.engine.loop.close()
        self.peer.channel.close()
        self.node.close()


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Process, Process]]:
    left, right = Process(), Process()
    for process, end in zip((left, right), socket.socketpair(), strict=True):
        process.connect(end)
    yield left, right
    left.close()
    right.close()


def test_a_ready_reference_arrives_with_its_value(pair: tuple[Process, Process]) -> None:
    left, right = pair
    for value in (1, np.arange(10), np.arange(100_000)):
        left.send([left.ref(to_blob(value))])
        [[ref]] = right.take()
        np.testing.assert_equal(ref.blob.load(), value)


def test_a_pending_reference_is_settled_later_and_its_value_sent_once(pair: tuple[Process, Process]) -> None:
    left, right = pair
    ref = left.ref()
    left.send([ref])
    left.send([ref])
    [first], [second] = right.take()
    assert first is second
    assert not first.blob
    left.engine.settle(ref, to_blob("late"))
    right.take()
    assert first.blob.load() == "late"
    assert (left.peer.lending, right.peer.borrowed) == (set(), {})


def test_what_settles_after_the_death_of_its_borrower_is_shared_with_nobody() -> None:
    left = Process()
    ours, theirs = socket.socketpair()
    left.connect(ours)
    ref = left.ref()
    left.send([ref])
    left.peer.channel.close()
    left.engine.parcels.lost(left.peer)
    left.engine.settle(ref, to_blob(np.arange(100_000)))
    assert ref.blob is not None
    assert ref.blob.data.backing.shares == 0
    theirs.close()
    left.close()


def test_what_comes_home_is_the_same_reference(pair: tuple[Process, Process]) -> None:
    left, right = pair
    ref = left.ref()
    left.send([ref])
    [[away]] = right.take()
    right.send([away])
    [[home]] = left.take()
    assert home is ref
    left.engine.settle(ref, to_blob(1))
    right.take()
    assert away.blob.load() == 1
    assert not left.peer.borrowed


def test_a_settled_value_may_hold_pending_references(pair: tuple[Process, Process]) -> None:
    left, right = pair
    outer, inner = left.ref(), left.ref()
    left.send([outer])
    [[ref]] = right.take()
    left.engine.settle(outer, to_blob([inner]))
    right.take()
    assert ref.blob is not None
    [deep] = ref.blob.load()
    left.engine.settle(inner, to_blob("deep"))
    right.take()
    assert deep.blob.load() == "deep"


@given(st.lists(st.lists(st.integers(0, 30), max_size=4), min_size=1, max_size=20), st.integers(0, 2**20))
def test_any_graph_of_references_arrives(
    pair: tuple[Process, Process], links: list[list[int]], pending: int
) -> None:
    """Reference i holds its number and those of earlier ones that `links[i]` says; some are pending."""
    left, right = pair
    refs: list[Ref[Any]] = []
    for i, below in enumerate(links):
        blob = to_blob([i, [refs[k % i] for k in below if i]])
        refs.append(left.ref(None if pending >> i & 1 else blob))
    left.send(refs)
    [arrived] = right.take()
    for i, ref in enumerate(refs):
        if ref.blob is None:
            left.engine.settle(ref, to_blob([i, []]))
    right.take()
    assert edges(arrived) == edges(refs)


def edges(refs: list[Ref[Any]]) -> dict[int, list[int]]:
    """Which holds which, by their numbers."""
    found: dict[int, list[int]] = {}
    rest = list(refs)
    for ref in rest:  # which grows on the way
        assert ref.blob is not None
        number, inner = ref.blob.load()
        if number not in found:
            found[number] = [below.blob.load()[0] for below in inner if below.blob]
            rest += inner
    return found
