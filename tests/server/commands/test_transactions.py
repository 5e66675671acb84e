from collections.abc import Mapping

import pytest

from alula.errors import CommandError
from alula.server import Server
from alula.server._client import Client
from alula.server._commands._table import Command
from alula.server._commands._transactions import carry_out
from alula.server._later import Later
from tests.server.world import Connect, Wire, Words, request

OK, QUEUED = b"+OK\r\n", b"+QUEUED\r\n"
ABORTED = b"-EXECABORT Transaction discarded because of previous errors.\r\n"


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        ("EXEC", b"-ERR EXEC without MULTI\r\n"),
        ("DISCARD", b"-ERR DISCARD without MULTI\r\n"),
        ("UNWATCH", OK),
        ("MULTI x", b"-ERR wrong number of arguments for 'MULTI' command\r\n"),
        ("WATCH", b"-ERR wrong number of arguments for 'WATCH' command\r\n"),
    ],
)
def test_outside_of_a_transaction(wire: Wire, words: str, reply: bytes) -> None:
    assert wire.ask(words) == reply


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        ("MULTI", b"-ERR MULTI calls can not be nested\r\n"),
        ("WATCH k", b"-ERR WATCH inside MULTI is not allowed\r\n"),
        ("UNWATCH", QUEUED),
        ("DISCARD", OK),
        ("EXEC", b"*0\r\n"),
    ],
)
def test_inside_of_a_transaction(wire: Wire, words: str, reply: bytes) -> None:
    assert wire.ask("MULTI") == OK
    assert wire.ask(words) == reply


def test_what_is_queued_is_carried_out_at_the_end_and_all_of_it(wire: Wire) -> None:
    assert wire.ask("MULTI") == OK
    for words in ("AI.TENSORSET k INT8 1 VALUES 7", "AI.TENSORGET k VALUES", "AI.TENSORGET nope", "PING"):
        assert wire.ask(words) == QUEUED
    assert wire.ask("EXEC") == (
        b"*4\r\n+OK\r\n*1\r\n:7\r\n-ERR tensor key is empty or in a different shard\r\n+PONG\r\n"
    )
    assert wire.ask("EXEC") == b"-ERR EXEC without MULTI\r\n"


def test_nobody_sees_a_transaction_before_its_end(wire: Wire, server: Server, connect: Connect) -> None:
    other = connect(server)
    wire.send(request("MULTI") + request("AI.TENSORSET k INT8 1"))
    assert (wire.reply(), wire.reply()) == (OK, QUEUED)
    assert other.ask("EXISTS k") == b":0\r\n"
    assert wire.ask("EXEC") == b"*1\r\n+OK\r\n"
    assert other.ask("EXISTS k") == b":1\r\n"


def test_what_was_discarded_does_not_happen(wire: Wire) -> None:
    wire.send(request("MULTI") + request("AI.TENSORSET k INT8 1") + request("DISCARD"))
    assert [wire.reply() for _ in range(3)] == [OK, QUEUED, OK]
    assert wire.ask("EXISTS k") == b":0\r\n"
    assert wire.ask("EXEC") == b"-ERR EXEC without MULTI\r\n"


@pytest.mark.parametrize("wrong", ["NOPE", "ECHO", "AI.TENSORSET k"])
def test_a_command_that_cannot_be_queued_is_the_end_of_all(wire: Wire, wrong: str) -> None:
    wire.send(request("MULTI") + request("AI.TENSORSET k INT8 1") + request(wrong) + request("EXEC"))
    assert [wire.reply() for _ in range(2)] == [OK, QUEUED]
    assert wire.reply().startswith(b"-ERR ")
    assert wire.reply() == ABORTED
    assert wire.ask("EXISTS k") == b":0\r\n"


RUNS: Mapping[str, tuple[Words, ...]] = {
    words.partition(" ")[0]: tuple(words.split())
    for words in (
        "AI.MODELEXECUTE mul INPUTS 2 a b OUTPUTS 1 c",
        "AI.MODELRUN mul INPUTS a b OUTPUTS c",
        "AI.DAGEXECUTE PERSIST 1 a |> AI.TENSORSET a INT8 1",
        "AI.DAGRUN |> AI.TENSORSET a INT8 1",
        "AI.DAGEXECUTE_RO ROUTING a |> AI.TENSORSET a INT8 1",
        "AI.DAGRUN_RO |> AI.TENSORSET a INT8 1",
        "AI.DAGRUNRO |> AI.TENSORSET a INT8 1",
    )
}


@pytest.mark.parametrize("name", RUNS)
def test_what_blocks_is_queued_and_then_refused(models: Server, wire: Wire, name: str) -> None:
    assert wire.ask("MULTI") == OK
    assert wire.ask(*RUNS[name]) == QUEUED
    assert wire.ask("PING") == QUEUED
    error = b"-ERR Cannot run RedisAI command within a transaction or a LUA script\r\n"
    assert wire.ask("EXEC") == b"*2\r\n" + error + b"+PONG\r\n"


def test_a_transaction_is_no_larger_than_a_request_may_be(wire: Wire) -> None:
    assert wire.ask("CONFIG SET client-query-buffer-limit 1mb") == OK
    assert wire.ask("MULTI") == OK
    assert wire.ask("SET", "k", bytes(600_000)) == QUEUED
    error = b"-ERR Protocol error: request exceeds the query buffer limit\r\n"
    assert (wire.ask("SET", "k", bytes(600_000)), wire.reply()) == (error, b"")


def test_a_command_that_answers_later_all_the_same_is_cancelled(server: Server, wire: Wire) -> None:
    cancelled: list[bool] = []
    late = Command(name="LATE", run=lambda client, words: Later(lambda: cancelled.append(True)))
    client = Client(services=server._services, number=0, trusted=True, atomic=True)
    reply = carry_out(client, late, [b"LATE"])
    assert isinstance(reply, CommandError)
    assert "Cannot run RedisAI command" in reply.text
    assert cancelled == [True]


def test_a_fault_of_ours_costs_one_reply(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    def run(client: Client, words: list[bytes]) -> None:
        raise ZeroDivisionError("oh")

    client = Client(services=server._services, number=0, trusted=True, atomic=True)
    reply = carry_out(client, Command(name="WRONG", run=run), [b"WRONG"])
    assert isinstance(reply, CommandError)
    assert reply.text == "ERR ZeroDivisionError: oh"
    assert "failed unexpectedly" in caplog.text


# ----------------------------------------------------------------------------------------- WATCH


@pytest.mark.parametrize("change", ["AI.TENSORSET k INT8 1", "DEL k", "FLUSHALL"])
def test_what_rests_on_a_key_that_changed_does_not_happen(
    wire: Wire, server: Server, connect: Connect, change: str
) -> None:
    other = connect(server)
    assert wire.ask("AI.TENSORSET k INT8 1") == OK
    assert wire.ask("WATCH k other") == OK
    other.ask(change)
    wire.send(request("MULTI") + request("AI.TENSORSET y INT8 1") + request("EXEC"))
    assert [wire.reply() for _ in range(3)] == [OK, QUEUED, b"*-1\r\n"]
    assert wire.ask("EXISTS y") == b":0\r\n"
    wire.send(request("MULTI") + request("EXEC"))  # and then the watch is over
    assert [wire.reply(), wire.reply()] == [OK, b"*0\r\n"]


@pytest.mark.parametrize("end", ["UNWATCH", "EXEC", "DISCARD"])
def test_a_watch_ends(wire: Wire, end: str) -> None:
    assert wire.ask("WATCH k") == OK
    if end != "UNWATCH":
        assert wire.ask("MULTI") == OK
    wire.ask(end)
    assert wire.ask("AI.TENSORSET k INT8 1") == OK
    wire.send(request("MULTI") + request("EXEC"))
    assert [wire.reply(), wire.reply()] == [OK, b"*0\r\n"]


def test_other_keys_may_change(wire: Wire) -> None:
    assert wire.ask("WATCH k") == OK
    assert wire.ask("AI.TENSORSET other INT8 1") == OK
    wire.send(request("MULTI") + request("EXEC"))
    assert [wire.reply(), wire.reply()] == [OK, b"*0\r\n"]


def test_nothing_is_left_of_a_watch_whose_client_is_gone(server: Server, connect: Connect) -> None:
    wire = connect(server)
    assert wire.ask("WATCH k") == OK
    wire.send(request("QUIT"))
    assert (wire.reply(), wire.reply()) == (OK, b"")
    assert connect(server).ask("PING") == b"+PONG\r\n"
    assert server._services.keyspace._listeners == ()  # type: ignore[attr-defined]  # of the one in memory
