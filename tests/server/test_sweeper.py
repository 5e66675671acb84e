"""Silent and slow clients have to go."""

from dataclasses import dataclass

import pytest

from alula.server import Config, Server, background
from alula.server._sweeper import Sweeper
from alula.testing import Clock
from tests.server.world import Connect


@dataclass(eq=False)
class Peer:
    heard: bool = True
    waits: bool = False
    unread: int = 0
    kind: str = "normal"
    gone: bool = False

    def abort(self) -> None:
        self.gone = True


def test_who_is_silent_for_too_long_is_disconnected() -> None:
    clock, config = Clock(), Config(timeout=10)
    silent, talking, waiting = peers = Peer(), Peer(), Peer(waits=True)
    sweeper = Sweeper(peers, config, clock)
    for _ in range(12):
        talking.heard = True
        sweeper.sweep()
        clock.advance(1)
    assert not silent.gone
    sweeper.sweep()
    assert [peer.gone for peer in peers] == [True, False, False]
    assert not waiting.gone


def test_without_a_timeout_nobody_is_too_silent() -> None:
    clock, peer = Clock(), Peer(heard=False)
    sweeper = Sweeper([peer], Config(), clock)
    for _ in range(3):
        sweeper.sweep()
        clock.advance(1e6)
    assert not peer.gone


@pytest.mark.parametrize(
    ("unread", "seconds", "gone"),
    [(101, 0, True), (100, 1000, True), (51, 5, False), (51, 6, True), (50, 1000, False)],
)
def test_who_does_not_read_is_disconnected_at_the_limits_of_its_class(
    unread: int, seconds: float, gone: bool
) -> None:
    config, clock = Config(), Clock()
    config.set({"client-output-buffer-limit": "pubsub 100 50 5"})
    subscriber, other = Peer(unread=unread, kind="pubsub"), Peer(unread=1 << 40)
    sweeper = Sweeper([subscriber, other], config, clock)
    sweeper.sweep()
    assert subscriber.gone == (seconds == 0)
    clock.advance(seconds)
    sweeper.sweep()
    assert (subscriber.gone, other.gone) == (gone, False)


def test_a_client_that_catches_up_begins_anew() -> None:
    config, clock, peer = Config(), Clock(), Peer(unread=60, kind="pubsub")
    config.set({"client-output-buffer-limit": "pubsub 0 50 5"})
    sweeper = Sweeper([peer], config, clock)
    for unread in (60, 0, 60, 60):
        peer.unread = unread
        sweeper.sweep()
        clock.advance(4)
    assert not peer.gone
    sweeper.sweep()
    assert peer.gone


def test_a_subscriber_that_does_not_read_is_disconnected_and_the_publisher_goes_on(connect: Connect) -> None:
    config = Config()
    config.set({"client-output-buffer-limit": "pubsub 1mb 0 0"})
    with background(Server(port=0, config=config)) as server:
        slow, publisher = connect(server), connect(server)
        assert slow.ask("SUBSCRIBE news").endswith(b":1\r\n")
        for _ in range(30):
            assert publisher.ask("PUBLISH", "news", bytes(1 << 20)) == b":1\r\n"
        while publisher.ask("PUBLISH news x") != b":0\r\n":  # until the sweeper has looked, within a second
            pass
