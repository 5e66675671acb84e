import pytest

from alula.server import Server, background
from tests.server.world import Connect, Wire, Words, request

OK = b"+OK\r\n"


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (("PING",), b"+PONG\r\n"),
        (("ping", "x y"), b"$3\r\nx y\r\n"),
        (("PING", "a", "b"), b"-ERR wrong number of arguments for 'PING' command\r\n"),
        (("ECHO", ""), b"$0\r\n\r\n"),
        (("SELECT", "0"), OK),
        (("SELECT", "1"), b"-ERR DB index is out of range\r\n"),
        (("SELECT", "x"), b"-ERR value is not an integer or out of range\r\n"),
        (("CLIENT", "SETINFO", "LIB-NAME", "x"), OK),
        (("CLIENT", "GETNAME"), b"$-1\r\n"),
        (("CLIENT", "SETNAME", "a b"),
         b"-ERR Client names cannot contain spaces, newlines or special characters.\r\n"),
        (("CLIENT", "ID", "x"), b"-ERR wrong number of arguments for 'client|id' command\r\n"),
        (("CLIENT", "Nope"), b"-ERR unknown subcommand 'Nope'. Try CLIENT HELP.\r\n"),
        (("HELLO", "4"), b"-NOPROTO unsupported protocol version\r\n"),
        (("HELLO", "1"), b"-NOPROTO unsupported protocol version\r\n"),
        (("HELLO", "x"), b"-ERR Protocol version is not an integer or out of range\r\n"),
        (("HELLO", "2", "NOPE"), b"-ERR Syntax error in HELLO option 'NOPE'\r\n"),
        (("AUTH", "x"),
         b"-ERR AUTH <password> called without any password configured for the default user. "
         b"Are you sure your configuration is correct?\r\n"),
        (("COMMAND", "DOCS", "nope"), b"*0\r\n"),
        (("COMMAND", "NOPE"), b"-ERR unknown subcommand 'NOPE'. Try COMMAND HELP.\r\n"),
        (("NOPE",), b"-ERR unknown command 'NOPE', with args beginning with: \r\n"),
        (("nope", "a", "b\r\n"), b"-ERR unknown command 'nope', with args beginning with: 'a' 'b  ' \r\n"),
        (("AI.NOPE", "k"), b"-ERR unknown command 'AI.NOPE', with args beginning with: 'k' \r\n"),
    ],
)  # fmt: skip
def test_plain_commands_answer_as_redis_does(wire: Wire, words: tuple[Words, ...], reply: bytes) -> None:
    assert wire.ask(*words) == reply


def test_an_unknown_command_shows_at_most_128_bytes_of_its_words(wire: Wire) -> None:
    reply = wire.ask("n" * 200, "a" * 100, "b" * 100, "c")
    shown = f"'{'a' * 100}' '{'b' * 25}' "
    assert reply == f"-ERR unknown command '{'n' * 128}', with args beginning with: {shown}\r\n".encode()


@pytest.mark.parametrize("words", [("HELLO",), ("HELLO", "2"), ("HELLO", "2", "SETNAME", "me")])
def test_hello_tells_who_the_server_is(wire: Wire, words: tuple[str, ...]) -> None:
    number = wire.ask("CLIENT ID").strip()
    assert wire.ask(*words) == (
        b"*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.0\r\n$5\r\nproto\r\n:2\r\n"
        b"$2\r\nid\r\n" + number + b"\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
        b"$7\r\nmodules\r\n*0\r\n"
    )
    assert wire.ask("CLIENT GETNAME") == (b"$2\r\nme\r\n" if "me" in words else b"$-1\r\n")


def test_hello_3_changes_the_protocol(wire: Wire) -> None:
    number = wire.ask("CLIENT ID").strip()
    assert wire.ask("HELLO 3") == (
        b"%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.0\r\n$5\r\nproto\r\n:3\r\n"
        b"$2\r\nid\r\n" + number + b"\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
        b"$7\r\nmodules\r\n*0\r\n"
    )
    assert wire.ask("CLIENT GETNAME") == b"_\r\n"
    assert wire.ask("INFO nope") == b"=4\r\ntxt:\r\n"
    assert wire.ask("AI.TENSORSET k FLOAT 3 VALUES 0.5 inf -2") == OK
    assert wire.ask("AI.TENSORGET k VALUES") == b"*3\r\n,0.5\r\n,inf\r\n,-2\r\n"
    assert wire.ask("HELLO").startswith(b"%7\r\n")
    assert wire.ask("HELLO 2").startswith(b"*14\r\n")
    assert wire.ask("AI.TENSORGET k VALUES") == b"*3\r\n$3\r\n0.5\r\n$3\r\ninf\r\n$2\r\n-2\r\n"


def test_a_name_is_kept_per_connection(wire: Wire, server: Server, connect: Connect) -> None:
    assert wire.ask("CLIENT SETNAME me") == OK
    assert wire.ask("CLIENT GETNAME") == b"$2\r\nme\r\n"
    assert connect(server).ask("CLIENT GETNAME") == b"$-1\r\n"


def test_quit_answers_closes_and_leaves_the_rest_undone(wire: Wire) -> None:
    wire.send(request("QUIT") + request("AI.TENSORSET k INT8 1"))
    assert (wire.reply(), wire.reply()) == (OK, b"")


@pytest.mark.parametrize("line", [b"POST / HTTP/1.1\r\n", b"Host: localhost\r\n"])
def test_a_browser_is_hung_up_on(wire: Wire, line: bytes) -> None:
    wire.send(line + b"FLUSHALL\r\n")
    assert wire.reply() == b""


def test_info_has_what_clients_look_for(wire: Wire, server: Server) -> None:
    assert wire.ask("AI.TENSORSET k INT8 1") == OK
    text = wire.ask("INFO").decode()
    for line in ("redis_version:7.2.0", f"tcp_port:{server.port}", "loading:0", "rdb_bgsave_in_progress:0",
                 "aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0", "mem_allocator:libc",
                 "connected_clients:1", "db0:keys=1,expires=0,avg_ttl=0"):  # fmt: skip
        assert f"\r\n{line}\r\n" in text


def test_info_of_a_section_is_that_section(wire: Wire) -> None:
    assert wire.ask("SET k v EX 100") == OK
    text = (
        b"# Clients\r\nconnected_clients:1\r\nmaxclients:10000\r\nblocked_clients:0\r\npubsub_clients:0\r\n"
    )
    text += b"\r\n# Keyspace\r\ndb0:keys=1,expires=1,avg_ttl=0\r\n"
    assert wire.ask("INFO keyspace clients") == b"$%d\r\n%b\r\n" % (len(text), text)
    assert wire.ask("FLUSHALL") == OK
    assert wire.ask("INFO keyspace") == b"$12\r\n# Keyspace\r\n\r\n"
    assert wire.ask("INFO nope") == b"$0\r\n\r\n"


def test_info_counts_who_waits_and_who_listens(wire: Wire, server: Server, connect: Connect) -> None:
    connect(server).ask("SUBSCRIBE c")
    sleeper = connect(server)
    sleeper.send(request("DEBUG SLEEP 60"))
    while b"\r\nblocked_clients:1\r\npubsub_clients:1\r\n" not in wire.ask("INFO clients"):
        pass
    assert b"\r\npubsub_channels:1\r\npubsub_patterns:0\r\n" in wire.ask("INFO stats")


def test_command_describes_the_commands(wire: Wire) -> None:
    assert wire.ask("COMMAND INFO ai.tensorset nope config|get") == (
        b"*3\r\n*10\r\n$12\r\nai.tensorset\r\n:-4\r\n*2\r\n+write\r\n+deny-oom\r\n:1\r\n:1\r\n:1\r\n"
        b"*2\r\n+@write\r\n+@slow\r\n*0\r\n*0\r\n*0\r\n"
        b"$-1\r\n*10\r\n$10\r\nconfig|get\r\n:-3\r\n*4\r\n+admin\r\n+noscript\r\n+loading\r\n+stale\r\n"
        b":0\r\n:0\r\n:0\r\n*3\r\n+@admin\r\n+@slow\r\n+@dangerous\r\n*0\r\n*0\r\n*0\r\n"
    )
    count = wire.ask("COMMAND COUNT").removeprefix(b":")
    assert wire.ask("COMMAND").startswith(b"*" + count + b"*10\r\n")


# -------------------------------------------------------------------------------------- passwords

NOAUTH = b"-NOAUTH Authentication required.\r\n"
WRONG = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"


@pytest.mark.parametrize(
    "words", [("AUTH", "secret"), ("AUTH", "default", "secret"), ("HELLO", "2", "AUTH", "default", "secret")]
)
def test_with_a_password_nothing_happens_before_it_was_said(connect: Connect, words: tuple[str, ...]) -> None:
    with background(Server(port=0, password="secret")) as server:
        wire = connect(server)
        assert wire.ask("PING") == NOAUTH
        assert wire.ask("HELLO").startswith(b"-NOAUTH HELLO must be called with")
        assert wire.ask("AUTH nope") == WRONG
        assert wire.ask("AUTH other secret") == WRONG
        assert wire.ask("PING") == NOAUTH
        assert wire.ask(*words)[:1] in b"+*"
        assert wire.ask("PING") == b"+PONG\r\n"
        wire.close()
