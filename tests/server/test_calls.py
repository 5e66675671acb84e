"""What scripts ask of the server, from threads of their own."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from alula.errors import CommandError
from alula.server import Server
from tests.server.world import Wire


def ask(server: Server, text: str, *, readonly: bool = False) -> object:
    return server._services.call([word.encode() for word in text.split()], readonly=readonly)


def test_a_call_is_carried_out_like_a_clients_command(server: Server, wire: Wire) -> None:
    assert ask(server, "AI.TENSORSET k INT8 2 VALUES 1 2") == "OK"
    assert ask(server, "AI.TENSORGET k VALUES") == [1, 2]
    assert wire.ask("EXISTS k") == b":1\r\n"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("", "Invalid argument"),
        ("NOPE", "Invalid argument"),
        ("AI.TENSORGET", "Invalid argument"),
        ("AI.TENSORGET k", "ERR tensor key is empty or in a different shard"),
        ("AI.DAGRUN |> AI.TENSORSET a INT8 1",
         "ERR Cannot run RedisAI command within a transaction or a LUA script"),
        ("MULTI", "ERR This Redis command is not allowed from script"),
    ],
)  # fmt: skip
def test_a_call_that_is_not_carried_out_says_why(server: Server, words: str, error: str) -> None:
    with pytest.raises(CommandError) as caught:
        ask(server, words)
    assert caught.value.text == error


def test_who_may_only_read_writes_nothing(server: Server) -> None:
    assert ask(server, "EXISTS k", readonly=True) == 0
    with pytest.raises(CommandError, match=r"^ERR Write commands are not allowed"):
        ask(server, "AI.TENSORSET k INT8 1", readonly=True)
    assert ask(server, "EXISTS k") == 0


def test_calls_come_from_any_thread(server: Server) -> None:
    def work(number: int) -> object:
        return [ask(server, f"AI.TENSORSET k{number}-{n} INT8 1") for n in range(20)]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [["OK"] * 20] * 4
    assert ask(server, "DBSIZE") == 80
