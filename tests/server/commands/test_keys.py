import pytest

from tests.server.world import Wire

OK = b"+OK\r\n"


@pytest.fixture
def keys(wire: Wire, models: object) -> Wire:
    """A keyspace of two tensors and one model."""
    assert wire.ask("DEL mul2 sum split") == b":3\r\n"
    for key in ("a1", "a2"):
        assert wire.ask("AI.TENSORSET", key, "INT8", 1) == OK
    return wire


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        ("DBSIZE", b":3\r\n"),
        ("EXISTS a1 a1 nope mul", b":3\r\n"),
        ("TYPE a1", b"+AI_TENSOR\r\n"),
        ("TYPE mul", b"+AI__MODEL\r\n"),
        ("TYPE nope", b"+none\r\n"),
        ("KEYS a*", b"*2\r\n$2\r\na1\r\n$2\r\na2\r\n"),
        ("KEYS nope", b"*0\r\n"),
        ("DEL a1 nope mul a1", b":2\r\n"),
        ("UNLINK a2", b":1\r\n"),
        ("FLUSHALL NOPE", b"-ERR syntax error\r\n"),
        ("DEL", b"-ERR wrong number of arguments for 'DEL' command\r\n"),
    ],
)
def test_commands_about_keys(keys: Wire, words: str, reply: bytes) -> None:
    assert keys.ask(words) == reply


@pytest.mark.parametrize("words", ["FLUSHALL", "FLUSHDB", "FLUSHALL ASYNC", "flushdb sync"])
def test_flushing_leaves_nothing(keys: Wire, words: str) -> None:
    assert keys.ask(words) == OK
    assert keys.ask("KEYS *") == b"*0\r\n"
    assert keys.ask("DBSIZE") == b":0\r\n"


def test_after_a_key_is_gone_it_may_hold_another_type(keys: Wire) -> None:
    assert keys.ask("AI.TENSORSET mul INT8 1").startswith(b"-WRONGTYPE")
    assert keys.ask("DEL mul") == b":1\r\n"
    assert keys.ask("AI.TENSORSET mul INT8 1") == OK
