import asyncio
import socket
from collections.abc import Mapping, Sequence
from threading import Event, Thread

import pytest

from alula.errors import CommandError, SettingError
from alula.server import Config, LoadTime, MemoryKeyspace, Server, Tensor, background
from tests.server.world import MUL, SUM, Connect, Controlled, Wire, request

OK = b"+OK\r\n"
PATIENCE = 20


def test_a_port_that_is_taken_is_one_clear_error(server: Server) -> None:
    said = f"cannot listen on 127.0.0.1:{server.port}: .* choose another, or 0 for a free one"
    with pytest.raises(SettingError, match=said), background(Server(port=server.port)):
        pass


def test_a_host_that_is_not_here_is_one_clear_error() -> None:
    elsewhere = Server("192.0.2.1", 0)
    with pytest.raises(SettingError, match="cannot listen on") as caught, background(elsewhere):
        pass
    assert caught.value.setting == "host"


@pytest.mark.parametrize(
    ("name", "value"),
    [("threads_per_queue", 0), ("dag_parallelism", 0),
     ("intra_op_parallelism", -1), ("model_chunk_size", 0),
     ("inter_op_parallelism", -1), ("model_execution_timeout", 0.5), ("backend_memory_limit", -1)],
)  # fmt: skip
def test_a_number_out_of_range_is_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(SettingError, match=f"setting '{name}' = {value}"):
        LoadTime(**{name: value})  # type: ignore[arg-type]  # every one of them is a number


@pytest.mark.parametrize("port", [-1, 65536])
def test_what_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(SettingError, match=f"setting 'port' = {port}"):
        Server(port=port)


def test_an_open_port_to_the_world_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with background(Server("0.0.0.0", 0, config=Config(protected_mode=False))):
        pass
    assert "no password is set" in caplog.text
    caplog.clear()
    for config in (Config(), Config(protected_mode=False, requirepass="x")):
        with background(Server("0.0.0.0", 0, config=config)):
            pass
    assert caplog.text == ""


# ------------------------------------------------------------------------------------- deployments


def test_models_are_deployed_before_the_start_and_while_it_runs(connect: Connect) -> None:
    server = Server(port=0)
    server.deploy("first", MUL, tag="1")
    with background(server):
        wire = connect(server)
        assert wire.ask("AI._MODELSCAN") == b"*1\r\n*2\r\n$5\r\nfirst\r\n$1\r\n1\r\n"
        server.deploy("first", SUM, tag="2", device="cpu:1")
        assert wire.ask("AI._MODELSCAN") == b"*1\r\n*2\r\n$5\r\nfirst\r\n$1\r\n2\r\n"
        server.undeploy("first")
        server.undeploy("nothing")
        assert wire.ask("AI._MODELSCAN") == b"*0\r\n"
        wire.close()


def test_a_deployment_replaces_a_model_but_not_a_tensor(server: Server, wire: Wire) -> None:
    assert wire.ask("AI.TENSORSET k INT8 1") == OK
    with pytest.raises(CommandError, match="WRONGTYPE"):
        server.deploy("k", MUL)
    server.undeploy("k")
    assert wire.ask("TYPE k") == b"+AI_TENSOR\r\n"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"backend": "NOPE"}, "ERR unsupported backend"),
        ({"backend": "tf"}, "ERR Could not load backend"),
        ({"device": "TPU"}, "ERR Invalid DEVICE"),
        ({"blob": b"nonsense"}, "No graph was found in the protobuf."),
    ],
)
def test_a_deployment_that_cannot_be_is_refused(server: Server, given: Mapping[str, str], why: str) -> None:
    with pytest.raises(CommandError) as caught:
        server.deploy("m", **{"blob": MUL, **given})  # type: ignore[arg-type]  # as the names say
    assert caught.value.text == why


def test_many_threads_may_deploy_at_once(server: Server, wire: Wire) -> None:
    threads = [Thread(target=server.deploy, args=(f"m{n}", MUL)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wire.ask("DBSIZE") == b":8\r\n"


# ---------------------------------------------------------------------------------------- the end


def test_at_the_end_running_commands_have_their_replies(controlled: Controlled, connect: Connect) -> None:
    begun, may_end = Event(), Event()

    def run(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        begun.set()
        assert may_end.wait(PATIENCE)
        return (inputs[0],)

    controlled.add("m", run)
    server = Server(port=0, backends={"ONNX": controlled})
    server.deploy("m", b"m")
    with background(server):
        busy, idle = connect(server), connect(server)
        busy.send(request("AI.TENSORSET k INT8 1") + request("AI.MODELRUN m INPUTS k OUTPUTS y"))
        assert begun.wait(PATIENCE)
        leaving = Thread(target=background_end, args=(idle, may_end))
        leaving.start()
    leaving.join()
    assert [busy.reply(), busy.reply(), busy.reply()] == [OK, OK, b""]


def background_end(idle: Wire, may_end: Event) -> None:
    """Let the model end once the server has begun to stop, which an idle connection notices."""
    assert idle.reply() == b""
    may_end.set()


def test_what_does_not_end_in_time_is_left(controlled: Controlled, connect: Connect) -> None:
    begun, may_end = Event(), Event()

    def run(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        begun.set()
        assert may_end.wait(PATIENCE)
        return (inputs[0],)

    controlled.add("m", run)
    server = Server(port=0, backends={"ONNX": controlled})
    server.deploy("m", b"m")
    with background(server, grace=0.01):
        wire = connect(server)
        wire.send(request("AI.TENSORSET k INT8 1") + request("AI.MODELRUN m INPUTS k OUTPUTS y"))
        assert begun.wait(PATIENCE)
    assert [wire.reply(), wire.reply()] == [OK, b""]
    may_end.set()


def test_who_deploys_while_it_stops_or_after_hears_so() -> None:
    server, heard = Server(port=0), list[str]()

    def deploy() -> None:
        with pytest.raises(CommandError) as caught:
            server.deploy("m", MUL)
        heard.append(caught.value.text)

    async def main() -> None:
        await server.start()
        thread = Thread(target=deploy)
        thread.start()
        while not server._waiting:
            pass  # this loop has no turn before the server stops
        await server.stop()
        thread.join()

    asyncio.run(main())
    deploy()
    assert heard == ["ERR the server has stopped"] * 2


def test_who_runs_the_loop_may_deploy_too(connect: Connect) -> None:
    server = Server(port=0)

    async def main() -> None:
        await server.start()
        server.deploy("m", MUL)
        await server.stop()

    asyncio.run(main())


class Broken(MemoryKeyspace):
    """A keyspace whose store is gone."""

    def read(self, key: bytes) -> None:
        raise OSError("gone")


def test_a_fault_of_the_server_costs_one_reply(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    with background(Server(port=0, keyspace=Broken())) as server:
        wire = connect(server)
        assert wire.ask("AI.TENSORGET k") == b"-ERR OSError: gone\r\n"
        assert wire.ask("PING") == b"+PONG\r\n"
        wire.close()
    assert "gone" in caplog.text


def test_after_the_end_nobody_listens_and_the_port_is_free() -> None:
    with background(Server(port=0)) as server:
        port = server.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with background(Server(port=port)):
        pass
