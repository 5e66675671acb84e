"""Who may connect."""

import socket
from pathlib import Path

import pytest

from alula.server import Config, Server, background
from alula.server._admission import refusal
from tests.server.redis_server import program
from tests.server.world import Connect, Wire, request

FULL = b"-ERR max number of clients reached\r\n"


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        (("127.0.0.1", 5), True),
        (("127.8.0.1", 5), True),
        (("::1", 5, 0, 0), True),
        (("::ffff:127.0.0.1", 5, 0, 0), True),
        ("", True),
        (None, True),
        (("10.0.0.7", 5), False),
        (("::ffff:10.0.0.7", 5, 0, 0), False),
        (("fe80::1", 5, 0, 0), False),
    ],
)
def test_in_protected_mode_without_a_password_only_this_machine_connects(peer: object, local: bool) -> None:
    denied = refusal(Config(), 0, peer)
    assert denied is None if local else denied is not None and denied.startswith(b"-DENIED Redis is running")
    assert refusal(Config(protected_mode=False), 0, peer) is None
    assert refusal(Config(requirepass="x"), 0, peer) is None


def own_address() -> str:
    """Where others would reach this machine; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but its own")
        return str(probe.getsockname()[0])


def test_who_comes_from_outside_is_told_what_to_do_and_who_has_the_password_is_let_in() -> None:
    host = own_address()
    if host.startswith("127."):
        pytest.skip("this machine has no address but its own")
    for config, begin in ((Config(), b"-DENIED "), (Config(requirepass="x"), b"-NOAUTH ")):
        with background(Server("0.0.0.0", 0, config=config)) as server:
            with socket.create_connection((host, server.port), timeout=150) as client:
                if config.requirepass:
                    client.sendall(request("PING"))
                assert client.recv(8) == begin
            wire = Wire(server.port)
            assert wire.ask("PING") == (
                b"+PONG\r\n" if begin == b"-DENIED " else b"-NOAUTH Authentication required.\r\n"
            )
            wire.close()


def test_the_text_is_that_of_redis() -> None:
    text = refusal(Config(), 0, ("10.0.0.7", 5))
    assert text is not None
    assert text in Path(program()).read_bytes()


def test_one_client_too_many_is_told_so_and_a_place_that_is_left_is_taken(connect: Connect) -> None:
    with background(Server(port=0, config=Config(maxclients=2))) as server:
        first, second = connect(server), connect(server)
        assert [wire.ask("PING") for wire in (first, second)] == [b"+PONG\r\n"] * 2
        third = connect(server)
        assert (third.reply(), third.reply()) == (FULL, b"")
        first.close()
        while (late := Wire(server.port)).ask(
            "PING"
        ) != b"+PONG\r\n":  # until the server has seen the end of `first`
            late.close()
        late.close()
        second.close()
