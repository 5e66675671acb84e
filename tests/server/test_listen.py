"""Where a server listens."""

import socket
from pathlib import Path

import pytest

from alula.errors import SettingError
from alula.server import Config, Server, background
from alula.server._listen import keep_alive, listening
from tests.server.world import Wire, request

PONG = b"+PONG\r\n"


def test_several_addresses_share_a_port_and_one_may_be_missing() -> None:
    with background(Server(port=0, config=Config(bind="127.0.0.1 -192.0.2.1 127.0.0.2"))) as server:
        for host in ("127.0.0.1", "127.0.0.2"):
            with socket.create_connection((host, server.port), timeout=150) as client:
                client.sendall(request("PING"))
                assert client.recv(100) == PONG


@pytest.mark.parametrize("host", ["*", "0.0.0.0"])
def test_a_star_is_every_address(host: str) -> None:
    with background(Server(host, 0)) as server:
        wire = Wire(server.port)
        assert wire.ask("PING") == PONG
        wire.close()


def test_nothing_stays_open_when_one_address_cannot_be_had() -> None:
    with pytest.raises(SettingError, match=r"cannot listen on 192\.0\.2\.1"):
        listening(Config(bind="127.0.0.1 192.0.2.1", port=0))


def test_a_socket_file_is_there_while_the_server_is(tmp_path: Path) -> None:
    path = tmp_path / "s"
    for _ in range(2):
        with (
            background(Server(port=0, config=Config(unixsocket=str(path)))),
            socket.socket(socket.AF_UNIX) as client,
        ):
            client.connect(str(path))
            client.sendall(request("PING"))
            assert client.recv(100) == PONG
        assert not path.exists()


def test_a_socket_file_in_no_folder_is_one_clear_error(tmp_path: Path) -> None:
    server = Server(port=0, config=Config(unixsocket=str(tmp_path / "nowhere" / "s")))
    with pytest.raises(SettingError, match="unixsocket"), background(server):
        pass


def test_a_socket_that_listens_already_is_taken_over() -> None:
    given = listening(Config(port=0))
    port = given[0].getsockname()[1]
    with background(Server(port=0, listening=given)) as server:
        assert server.port == port
        wire = Wire(port)
        assert wire.ask("PING") == PONG
        wire.close()


@pytest.mark.parametrize("seconds", [0, 2, 300])
def test_the_system_asks_after_clients_that_are_silent(seconds: int) -> None:
    with socket.socket() as made:
        keep_alive(made, seconds)
        assert bool(made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)) == bool(seconds)
        if seconds and hasattr(socket, "TCP_KEEPINTVL"):
            assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == max(1, seconds // 3)


def test_connections_are_kept_alive_as_configured_when_they_come() -> None:
    with background(Server(port=0, config=Config(tcp_keepalive=90))) as server:
        first = Wire(server.port)
        assert first.ask("CONFIG SET tcp-keepalive 0") == b"+OK\r\n"
        second = Wire(server.port)
        assert second.ask("PING") == PONG
        kept = {
            connection.client.number: connection._transport.get_extra_info("socket").getsockopt(
                socket.SOL_SOCKET, socket.SO_KEEPALIVE
            )
            for connection in server._connections
        }
        assert kept == {1: 1, 2: 0}
        first.close()
        second.close()
