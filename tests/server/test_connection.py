import struct
from collections.abc import Sequence
from contextlib import suppress
from threading import Event

import pytest

from alula.server import Config, Server, Tensor, background
from tests.server.world import Connect, Controlled, Wire, request

OK = b"+OK\r\n"
PONG = b"+PONG\r\n"


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n+PING\r\n", b"-ERR Protocol error: expected '$', got '+'\r\n"),
        (b"*1\r\n$999999999999\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b'PING "\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    ],
)
def test_what_is_not_resp_closes_its_own_connection_and_harms_no_other(
    server: Server, connect: Connect, stream: bytes, error: bytes
) -> None:
    bad, good = connect(server), connect(server)
    bad.send(request("PING") + stream + request("PING"))
    assert [bad.reply(), bad.reply(), bad.reply()] == [PONG, error, b""]
    assert good.ask("PING") == PONG


def test_a_connection_s_limits_are_the_server_s(connect: Connect) -> None:
    with background(Server(port=0, config=Config(proto_max_bulk_len=10))) as server:
        wire = connect(server)
        assert wire.ask("ECHO", "0123456789") == b"$10\r\n0123456789\r\n"
        wire.send(b"*2\r\n$4\r\nECHO\r\n$11\r\n")
        assert wire.reply() == b"-ERR Protocol error: invalid bulk length\r\n"
        wire.close()


def test_many_requests_in_one_packet_are_answered_in_order(wire: Wire) -> None:
    count = 1000  # more than one turn takes
    wire.send(b"".join(request("ECHO", number) for number in range(count)))
    assert [wire.reply() for _ in range(count)] == [b"$%d\r\n%d\r\n" % (len(str(n)), n) for n in range(count)]


def test_inline_commands_and_arrays_may_be_mixed(wire: Wire) -> None:
    wire.send(b"PING\r\n\r\nECHO 'a b'\n" + request("PING") + b"ping x\r\n")
    assert [wire.reply() for _ in range(4)] == [PONG, b"$3\r\na b\r\n", PONG, b"$1\r\nx\r\n"]


def test_a_large_tensor_goes_in_and_out(wire: Wire) -> None:
    blob = struct.pack("<d", 0.1) * (1 << 19)  # 4 MiB, many packets
    assert wire.ask("AI.TENSORSET", "k", "DOUBLE", 1 << 19, "BLOB", blob) == OK
    assert wire.ask("AI.TENSORGET k BLOB") == b"$%d\r\n%b\r\n" % (len(blob), blob)


def test_a_client_that_does_not_read_is_not_worked_for_without_end(server: Server, connect: Connect) -> None:
    slow, other = connect(server), connect(server)
    blob = bytes(1 << 20)
    assert slow.ask("AI.TENSORSET", "k", "UINT8", len(blob), "BLOB", blob) == OK
    count = 64  # 64 MiB of replies, for requests of some 2 KiB
    slow.send(request("AI.TENSORGET k BLOB") * count)
    while b"total_commands_processed:" not in other.ask("INFO stats"):
        pass
    assert done(other) < count
    assert all(slow.reply() == b"$%d\r\n%b\r\n" % (len(blob), blob) for _ in range(count))


def done(wire: Wire) -> int:
    return int(wire.ask("INFO stats").partition(b"processed:")[2].split()[0])


def test_a_client_that_sends_far_ahead_of_a_run_is_not_read(connect: Connect, controlled: Controlled) -> None:
    gate = Event()

    def wait(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        assert gate.wait(150)
        return (inputs[0],)

    controlled.add("m", wait)
    with background(Server(port=0, backends={"ONNX": controlled})) as server:
        server.deploy("m", b"m")
        wire = connect(server)
        wire.send(request("AI.TENSORSET k INT8 1") + request("AI.MODELRUN m INPUTS k OUTPUTS y"))
        wire.socket.setblocking(False)
        flood(wire, request("ECHO", bytes(1 << 16)) * 16)  # which ends, and that is the point
        gate.set()
        wire.socket.setblocking(True)
        assert [wire.reply(), wire.reply()] == [OK, OK]
        wire.close()


def flood(wire: Wire, data: bytes) -> None:
    """Send until the other side takes no more."""
    with suppress(BlockingIOError):
        while True:
            wire.socket.send(data)


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (b"*11\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
        (b"*2\r\n$4\r\nAUTH\r\n$16385\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n"),
        (b"*99999999999\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n$999999999999\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    ],
)
def test_who_has_not_said_the_password_may_send_little(connect: Connect, stream: bytes, error: bytes) -> None:
    with background(Server(port=0, password="secret")) as server:
        wire = connect(server)
        wire.send(stream)
        assert (wire.reply(), wire.reply()) == (error, b"")
        wire.close()


def test_who_has_said_it_may_send_as_much_as_anybody_at_once(connect: Connect) -> None:
    with background(Server(port=0, password="secret")) as server:
        wire = connect(server)
        wire.send(request("AUTH", "secret") + request("ECHO", b"x" * 20000) + request("EXISTS", *range(20)))
        assert (wire.reply(), len(wire.reply()), wire.reply()) == (OK, 20010, b":0\r\n")
        wire.close()


def test_limits_that_are_configured_hold_for_who_is_there_already(wire: Wire) -> None:
    assert wire.ask("CONFIG SET proto-max-bulk-len 1mb") == OK
    wire.send(b"*2\r\n$4\r\nECHO\r\n$1048577\r\n")
    assert wire.reply() == b"-ERR Protocol error: invalid bulk length\r\n"
