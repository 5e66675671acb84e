"""CLIENT, CONFIG, SLOWLOG and their kin, where a real Redis cannot be the measure."""

import re
from collections.abc import Callable

import pytest

from alula.server import Server, background
from tests.server.world import Connect, Wire, Words, request

OK = b"+OK\r\n"


def fields(line: bytes) -> dict[str, str]:
    """The fields of one line of CLIENT LIST."""
    text = line.partition(b"\r\n")[2].strip().decode()
    return dict(field.split("=", 1) for field in text.split())


def test_client_list_tells_of_everybody(server: Server, wire: Wire, connect: Connect) -> None:
    listener, begun = connect(server), connect(server)
    listener.ask("SUBSCRIBE a b")
    begun.ask("MULTI")
    begun.ask("CLIENT SETNAME me")
    begun.ask("PING")
    lines = wire.ask("CLIENT LIST").split(b"\n")[1:4]
    found = [fields(b"\r\n" + line) for line in lines]
    assert [each["id"] for each in found] == ["1", "2", "3"]
    assert [each["flags"] for each in found] == ["N", "P", "x"]
    assert [each["multi"] for each in found] == ["-1", "-1", "2"]
    assert [each["sub"] for each in found] == ["0", "2", "0"]
    assert [each["cmd"] for each in found] == ["client|list", "subscribe", "ping"]
    assert {each["laddr"] for each in found} == {f"127.0.0.1:{server.port}"}
    host, port = wire.socket.getsockname()
    assert found[0]["addr"] == f"{host}:{port}"


def test_client_info_tells_of_oneself(wire: Wire) -> None:
    wire.ask("CLIENT SETNAME me")
    wire.ask("CLIENT SETINFO LIB-NAME lib")
    wire.ask("CLIENT SETINFO lib-ver 1.2")
    found = fields(wire.ask("CLIENT INFO"))
    assert (found["name"], found["lib-name"], found["lib-ver"]) == ("me", "lib", "1.2")
    assert (found["cmd"], found["resp"], found["idle"]) == ("client|info", "2", "0")
    wire.ask("HELLO 3")
    reply = wire.ask("CLIENT INFO")
    assert reply.startswith(b"=")
    assert fields(reply)["resp"] == "3"


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (("CLIENT", "SETINFO", "LIB-NAME", "a b"),
         b"-ERR lib-name cannot contain spaces, newlines or special characters.\r\n"),
        (("CLIENT", "SETINFO", "NOPE", "x"), b"-ERR Unrecognized option 'NOPE'\r\n"),
        (("CLIENT", "NO-TOUCH", "on"), OK),
        (("CLIENT", "NO-TOUCH", "x"), b"-ERR syntax error\r\n"),
        (("CLIENT", "LIST", "TYPE", "pubsub"), b"$0\r\n\r\n"),
        (("CLIENT", "LIST", "ID", "0"), b"-ERR Invalid client ID\r\n"),
    ],
)  # fmt: skip
def test_what_a_client_may_say_of_itself(wire: Wire, words: tuple[Words, ...], reply: bytes) -> None:
    assert wire.ask(*words) == reply


Filter = Callable[[Wire, Server], str]
FILTERS: dict[str, Filter] = {
    "number": lambda wire, server: "ID 2",
    "address": lambda wire, server: "ADDR {}:{}".format(*wire.socket.getsockname()),
    "both": lambda wire, server: "ID 2 USER default TYPE normal SKIPME yes",
    "old": lambda wire, server: "{}:{}".format(*wire.socket.getsockname()),
    "server": lambda wire, server: f"LADDR 127.0.0.1:{server.port}",
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_client_may_end_another(server: Server, wire: Wire, connect: Connect, name: str) -> None:
    other = connect(server)
    assert other.ask("PING") == b"+PONG\r\n"
    reply = wire.ask("CLIENT KILL " + FILTERS[name](other, server))
    assert reply == (OK if name == "old" else b":1\r\n")
    assert other.reply() == b""
    assert wire.ask("PING") == b"+PONG\r\n"


def test_who_ends_itself_has_the_reply_first(wire: Wire) -> None:
    assert wire.ask("CLIENT KILL ID 1 SKIPME no") == b":1\r\n"
    assert wire.reply() == b""


def test_a_reset_connection_is_as_if_it_were_new(wire: Wire) -> None:
    for words in ("HELLO 3", "CLIENT SETNAME me", "SUBSCRIBE c", "WATCH k", "MULTI"):
        wire.ask(words)
    assert wire.ask("RESET") == b"+RESET\r\n"
    assert wire.ask("CLIENT GETNAME") == b"$-1\r\n"
    assert wire.ask("PUBSUB CHANNELS") == b"*0\r\n"
    assert wire.ask("EXEC") == b"-ERR EXEC without MULTI\r\n"


def test_a_reset_connection_has_to_say_the_password_again(connect: Connect) -> None:
    with background(Server(port=0, password="secret")) as server:
        wire = connect(server)
        assert wire.ask("AUTH secret") == OK
        assert wire.ask("RESET") == b"+RESET\r\n"
        assert wire.ask("PING") == b"-NOAUTH Authentication required.\r\n"
        wire.close()


# ---------------------------------------------------------------------------------------- CONFIG


def test_what_is_configured_is_given_back(wire: Wire) -> None:
    assert wire.ask("CONFIG SET slowlog-max-len 7 TIMEOUT 100") == OK
    expected = b"*4\r\n$15\r\nslowlog-max-len\r\n$1\r\n7\r\n$7\r\ntimeout\r\n$3\r\n100\r\n"
    found = wire.ask("CONFIG GET timeout slowlog-m*")
    assert sorted(found.split(b"$")) == sorted(expected.split(b"$"))
    wire.ask("HELLO 3")
    assert wire.ask("CONFIG GET timeout") == b"%1\r\n$7\r\ntimeout\r\n$3\r\n100\r\n"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("CONFIG SET nope 1", "ERR Unknown option or number of arguments for CONFIG SET - 'nope'"),
        ("CONFIG SET timeout", "ERR wrong number of arguments for 'config|set' command"),
        ("CONFIG SET timeout 1 maxclients", "ERR wrong number of arguments for 'config|set' command"),
        ("CONFIG REWRITE", "ERR The server is running without a config file"),
        ("SHUTDOWN NOPE", "ERR syntax error"),
        ("SHUTDOWN SAVE NOSAVE", "ERR syntax error"),
        ("SHUTDOWN ABORT", "ERR No shutdown in progress."),
        ("WAIT 0 -1", "ERR timeout is negative"),
        ("EVAL x 0", "ERR Cannot run RedisAI command within a transaction or a LUA script"),
        ("EVALSHA x 0", "ERR Cannot run RedisAI command within a transaction or a LUA script"),
        ("PUBSUB CHANNELS a b",
         "ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP."),
        ("SCAN 0 COUNT 0", "ERR syntax error"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(wire: Wire, words: str, error: str) -> None:
    assert wire.ask(words) == f"-{error}\r\n".encode()


@pytest.mark.parametrize("name", ["CLIENT", "COMMAND", "CONFIG", "MODULE", "OBJECT", "PUBSUB", "SLOWLOG"])
def test_help_lists_the_subcommands(wire: Wire, name: str) -> None:
    reply = wire.ask(name, "HELP")
    assert f"\r\n+{name} <subcommand> [<argument> ...]".encode() in reply
    assert reply.count(b"\r\n+") == int(reply[1 : reply.index(b"\r\n")]) > 1


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("PATTERN HL*", {"hlen"}),
        ("ACLCAT transaction", {"multi", "exec", "discard", "watch", "unwatch"}),
        ("MODULE nope", set()),
    ],
)
def test_commands_are_listed_by_what_is_asked_of_them(wire: Wire, words: str, names: set[str]) -> None:
    found = wire.ask(f"COMMAND LIST FILTERBY {words}").decode().split("\r\n")[2::2]
    assert set(found) == names


def test_the_module_s_commands_are_ours(wire: Wire) -> None:
    found = wire.ask("COMMAND LIST FILTERBY MODULE ai").decode().split("\r\n")[2::2]
    assert {"ai.dagrun", "ai.modelexecute"} <= {name for name in found if name.startswith("ai.")}
    assert len(found) > 5


def test_a_value_is_described(wire: Wire) -> None:
    assert wire.ask("SET k v") == OK
    assert wire.ask("DEBUG OBJECT k") == (
        b"+Value at:0x0 refcount:1 encoding:embstr serializedlength:0 lru:0 lru_seconds_idle:0\r\n"
    )


def test_a_string_grows_no_longer_than_a_word_may_be(wire: Wire) -> None:
    wire.ask("CONFIG SET proto-max-bulk-len 1mb")
    assert wire.ask("SET", "k", bytes(1 << 20)) == OK
    error = b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"
    assert wire.ask("APPEND k x") == error
    assert wire.ask("STRLEN k") == b":1048576\r\n"


def test_statistics_begin_anew(wire: Wire) -> None:
    for _ in range(5):
        wire.ask("PING")
    assert wire.ask("CONFIG RESETSTAT") == OK
    assert b"\r\ntotal_commands_processed:1\r\n" in wire.ask("INFO stats")


def test_the_time_is_that_of_the_server(wire: Wire) -> None:
    assert re.fullmatch(rb"\*2\r\n\$10\r\n\d{10}\r\n\$\d\r\n\d+\r\n", wire.ask("TIME"))


def test_the_modules_are_ours(wire: Wire) -> None:
    assert wire.ask("MODULE LIST") == (
        b"*1\r\n*8\r\n$4\r\nname\r\n$2\r\nai\r\n$3\r\nver\r\n:999999\r\n$4\r\npath\r\n$0\r\n\r\n$4\r\nargs\r\n*0\r\n"
    )


# --------------------------------------------------------------------------------------- SLOWLOG


def logged(wire: Wire, *words: Words) -> list[bytes]:
    """The words of the commands in the log, the newest first."""
    reply = wire.ask("SLOWLOG", "GET", *words)
    return [entry.replace(b"\r\n", b" ") for entry in reply.split(b"*6\r\n")[1:]]


def test_slow_commands_are_kept_with_their_words_and_clients(wire: Wire) -> None:
    wire.ask("CLIENT SETNAME me")
    assert wire.ask("CONFIG SET slowlog-log-slower-than 0") == OK
    wire.ask("SET", "k", "x" * 200)
    wire.ask("MGET", *range(40))
    wire.ask("HELLO", 2, "AUTH", "default", "secret")
    assert wire.ask("CONFIG SET slowlog-log-slower-than -1") == OK
    wire.ask("PING")
    assert wire.ask("SLOWLOG LEN") == b":4\r\n"
    hello, mget, text, config = logged(wire)
    host, port = wire.socket.getsockname()
    assert hello.count(b"(redacted)") == 4
    assert b"secret" not in hello
    assert mget.startswith(b":2 ")
    assert b" *32 $4 MGET $1 0 " in mget
    assert b" $23 ... (10 more arguments) " in mget
    assert b"x" * 128 + b"... (72 more bytes) " in text
    assert config.endswith(b"$%d %b $2 me " % (len(f"{host}:{port}"), f"{host}:{port}".encode()))
    assert (len(logged(wire, 2)), len(logged(wire, -1)), len(logged(wire, 0))) == (2, 4, 0)
    assert wire.ask("SLOWLOG RESET") == OK
    assert wire.ask("SLOWLOG LEN") == b":0\r\n"


def test_the_log_is_as_long_as_it_may_be(wire: Wire) -> None:
    wire.ask("CONFIG SET slowlog-log-slower-than 0")
    for _ in range(10):
        wire.ask("PING")
    wire.ask("CONFIG SET slowlog-log-slower-than -1 slowlog-max-len 3")
    assert wire.ask("SLOWLOG LEN") == b":3\r\n"


def test_a_run_is_in_the_log_from_its_begin_to_its_end(wire: Wire, models: object) -> None:
    wire.ask("AI.TENSORSET a FLOAT 1 VALUES 2")
    wire.ask("CONFIG SET slowlog-log-slower-than 1")
    wire.ask("AI.DAGEXECUTE LOAD 1 a |> AI.MODELEXECUTE mul INPUTS 2 a a OUTPUTS 1 b")
    assert b" $13 AI.DAGEXECUTE $4 LOAD " in logged(wire)[0]


def test_of_a_transaction_the_commands_are_in_the_log(wire: Wire) -> None:
    wire.ask("CONFIG SET slowlog-log-slower-than 0")
    wire.send(request("MULTI") + request("SET k v") + request("EXEC"))
    assert [wire.reply() for _ in range(3)] == [OK, b"+QUEUED\r\n", b"*1\r\n+OK\r\n"]
    wire.ask("CONFIG SET slowlog-log-slower-than -1")
    names = [re.findall(rb"\*\d+ \$\d+ (\w+) ", entry)[0] for entry in logged(wire)]
    assert names == [b"SET", b"SET", b"MULTI", b"CONFIG"]


# -------------------------------------------------------------------------------------- SHUTDOWN


@pytest.mark.parametrize("words", ["SHUTDOWN", "SHUTDOWN NOSAVE", "shutdown save now force"])
def test_a_client_may_stop_the_server(words: str) -> None:
    with background(Server(port=0)) as server:
        wire, other = Wire(server.port), Wire(server.port)
        assert other.ask("PING") == b"+PONG\r\n"
        wire.send(request(words) + request("PING"))
        assert (wire.reply(), other.reply()) == (b"", b"")
        wire.close()
        other.close()
