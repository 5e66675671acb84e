"""Who may connect."""

import shutil
from pathlib import Path

import pytest

from alula.server import Config, Server, background
from alula.server._admission import refusal
from tests.server.world import Connect, Wire

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


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_the_text_is_that_of_redis() -> None:
    program = shutil.which("redis-server")
    text = refusal(Config(), 0, ("10.0.0.7", 5))
    assert program is not None
    assert text is not None
    assert text in Path(program).read_bytes()


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
