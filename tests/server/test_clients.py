"""Arrays in, arrays out: our clients against a real server, in both protocols, waiting and not."""

import asyncio
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import numpy as np
import pytest
import redis
from numpy.typing import NDArray

from alula.errors import CommandError, TaskCancelledError
from alula.server import AsyncClient, Client, Dag, Server, background
from alula.server._clients import _connect
from tests.server.world import MUL, Controlled

Arrays = list[NDArray[Any]]


@pytest.fixture(params=[2, 3])
def client(models: Server, request: pytest.FixtureRequest) -> Iterator[Client]:
    with Client(f"redis://127.0.0.1:{models.port}?protocol={request.param}") as made:
        yield made


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype="f4").reshape(2, 3),
        np.array(2.5),
        np.array([[True], [False]]),
        np.arange(10)[::2],
        np.arange(4, dtype=">i2"),
        np.array([b"x", b"yz"]),
        np.zeros((1, 255), "u1"),
        [1, 2, 3],
    ],
    ids=str,
)
def test_an_array_comes_back_as_it_went(client: Client, array: Any) -> None:
    client.tensorset("k", array)
    found = client.tensorget("k")
    np.testing.assert_array_equal(found, array)
    assert found.shape == np.shape(array)
    assert found.dtype == np.asarray(array).dtype.newbyteorder("=")


def test_a_number_s_array_is_read_only_and_lies_in_what_came(client: Client) -> None:
    client.tensorset("k", np.ones(3))
    found = client.tensorget("k")
    assert not found.flags.writeable
    assert not found.flags.owndata


def test_texts_are_kept_as_their_bytes(client: Client) -> None:
    client.tensorset("k", ["añ", "b"])
    assert client.tensorget("k").tolist() == ["añ".encode(), b"b"]


def test_elements_that_no_tensor_has_are_refused_before_anything_is_sent(client: Client) -> None:
    with pytest.raises(TypeError, match="no tensor has elements of uint32; there are float32"):
        client.tensorset("k", np.zeros(3, "u4"))
    with pytest.raises(TypeError, match="complex128"):
        client.dag().tensorset("k", np.zeros(3, complex))


def test_a_model_is_stored_described_run_counted_and_removed(client: Client) -> None:
    client.modelstore("m", "onnx", "cpu", MUL, tag="7", batchsize=4, minbatchsize=1, minbatchtimeout=0.25)
    found = client.modelget("m")
    assert found.pop("blob") == MUL
    assert found == {
        "backend": "ONNX",
        "device": "cpu",
        "tag": "7",
        "batchsize": 4,
        "minbatchsize": 1,
        "inputs": ["0", "1"],
        "outputs": ["2"],
        "minbatchtimeout": 250,
    }
    assert client.models()["m"] == "7"
    client.tensorset("x", np.full((1, 2), 3, "f4"))
    client.modelexecute("m", ["x", "x"], ["y"], timeout=10)
    np.testing.assert_array_equal(client.tensorget("y"), [[9, 9]])
    info = client.info("m", reset=True)
    assert (info["key"], info["type"], info["calls"], info["errors"]) == ("m", "MODEL", 1, 0)
    assert client.info("m")["calls"] == 0
    client.config("MODEL_CHUNK_SIZE", 20)
    assert client.modelget("m")["blob"] == MUL
    client.delete("m")
    assert "m" not in client.models()
    with pytest.raises(redis.ResponseError, match=r"^model key is empty$"):
        client.modelget("m")


def test_a_dag_says_what_it_sends(client: Client) -> None:
    dag = client.dag(timeout=0.5).tensorset("~a~", np.ones(2, "f4"))
    dag.modelexecute("mul", ["~a~", "~a~"], ["out put"]).scriptexecute("s", "f", ["~a~"], args=["1", b"\0"])
    assert str(dag.tensorget("out put")) == (
        "AI.DAGRUN TIMEOUT 500 AI.TENSORSET ~a~ FLOAT 2 BLOB <8 bytes> "
        '=> AI.MODELEXECUTE mul INPUTS 2 ~a~ ~a~ OUTPUTS 1 "out put" '
        '=> AI.SCRIPTEXECUTE s f INPUTS 1 ~a~ ARGS 2 1 "\\x00" => AI.TENSORGET "out put" META BLOB'
    )
    local = client.dag(load=["a"], persist=["b"], routing="r", readonly=True).tensorget("a")
    assert str(local) == ("AI.DAGEXECUTE_RO LOAD 1 a PERSIST 1 b ROUTING r |> AI.TENSORGET a META BLOB")


def test_a_dag_with_wings_keeps_what_has_none(client: Client) -> None:
    dag = client.dag().tensorset("~a~", np.full(2, 3, "f4")).modelexecute("mul", ["~a~", "~a~"], ["nine"])
    (found,) = dag.tensorget("nine").execute()
    np.testing.assert_array_equal(found, [9, 9])
    np.testing.assert_array_equal(client.tensorget("nine"), [9, 9])


def test_a_dag_with_lists_keeps_what_they_say(client: Client) -> None:
    client.tensorset("a", np.full(2, 2, "f4"))
    dag = client.dag(load=["a"], persist=["b"]).modelexecute("mul", ["a", "a"], ["b"])
    assert dag.execute() == []
    np.testing.assert_array_equal(client.tensorget("b"), [4, 4])


def test_the_first_operation_that_fails_is_named(client: Client) -> None:
    dag = client.dag().tensorset("~a~", np.ones(2, "f4")).tensorset("~b~", np.ones(3, "f4"))
    dag.modelexecute("mul", ["~a~", "~b~"], ["~c~"]).tensorget("~c~")
    with pytest.raises(redis.ResponseError) as caught:
        dag.execute()
    assert caught.value.__notes__ == ["in the operation AI.MODELEXECUTE mul INPUTS 2 ~a~ ~b~ OUTPUTS 1 ~c~"]


def test_a_plan_is_drawn_without_a_server_and_says_what_is_wrong() -> None:
    with Client("redis://127.0.0.1:1") as nobody:
        dag = nobody.dag().tensorset("~a~", np.ones(2)).modelexecute("m", ["~a~"], ["b"])
        assert dag.picture().startswith("<svg")
        assert dag.plan()["stores"] == {"b": 1}
        with pytest.raises(CommandError, match="INPUT key cannot be found"):
            dag.tensorget("~nothing~").plan()


def test_settings_are_asked_for_and_changed(client: Client) -> None:
    assert client.config("MODEL_CHUNK_SIZE") == 511 << 20
    client.config("MODEL_CHUNK_SIZE", 100)
    assert client.config("MODEL_CHUNK_SIZE") == 100
    assert client.config("nothing") is None


def test_a_client_of_redis_is_taken_over_and_left_open(server: Server) -> None:
    with redis.Redis(port=server.port) as given:
        with Client(given) as client:
            client.tensorset("k", [1])
        assert given.exists("k")


@pytest.mark.parametrize("make", [Client, AsyncClient])
def test_a_client_that_makes_text_of_replies_is_refused(make: Callable[[Any], object]) -> None:
    with redis.Redis(decode_responses=True) as given, pytest.raises(ValueError, match="decode_responses"):
        make(given)


SCRIPT = """
def both(tensors: List[Tensor], keys: List[str], args: List[str]):
    return tensors[0] + tensors[1] * float(args[0])
"""


def test_a_script_is_stored_described_and_run(client: Client) -> None:
    client.scriptstore("s", "CPU", SCRIPT, entry_points=["both"], tag="2")
    assert client.scriptget("s") == {"device": "CPU", "tag": "2", "entry_points": ["both"], "source": SCRIPT}
    assert client.scripts() == {"s": "2"}
    client.tensorset("x", np.ones(2, "f4"))
    client.scriptexecute("s", "both", ["x", "x"], ["y"], args=[3], timeout=10)
    assert client.tensorget("y").tolist() == [4, 4]
    dag = client.dag().scriptexecute("s", "both", ["x", "x"], ["~z~"], args=["2"]).tensorget("~z~")
    assert dag.execute()[0].tolist() == [3, 3]


# ------------------------------------------------------------------------------ in the background


@pytest.fixture
def held(controlled: Controlled) -> Iterator[tuple[Client, Event]]:
    """A client of a server whose model ``slow`` ends when the event is set."""
    go = Event()

    def run(inputs: Any) -> Any:
        assert go.wait(150)
        return tuple(inputs)

    controlled.add("slow", run)
    with background(Server(port=0, backends={"ONNX": controlled})) as server:
        server.deploy("slow", b"slow")
        with Client(f"redis://127.0.0.1:{server.port}") as client:
            yield client, go
        go.set()


def slow(client: Client) -> Dag:
    return client.dag().tensorset("~a~", [5]).modelexecute("slow", ["~a~"], ["b"]).tensorget("b")


def test_a_run_in_the_background_is_waited_for(held: tuple[Client, Event]) -> None:
    client, go = held
    run = slow(client).submit(keep=60)
    with pytest.raises(TimeoutError, match=f"run {run.id} has not ended within 0.01 s"):
        run.result(0.01)
    status = run.status()
    assert (status.id, status.state, status.ops, status.completed) == (run.id, "running", 3, 1)
    go.set()
    assert [array.tolist() for array in run.result()] == [[5]]
    assert [array.tolist() for array in run.result(0)] == [[5]]
    status = run.status()
    assert (status.state, status.opstates, status.persisted) == ("done", ("ok", "ok", "ok"), ("b",))
    assert not run.cancel()


def test_a_run_that_is_cancelled_says_so(held: tuple[Client, Event]) -> None:
    client, _ = held
    run = slow(client).submit()
    assert run.cancel()
    with pytest.raises(TaskCancelledError, match=run.id):
        run.result(150)


def test_the_server_is_asked_to_wait_for_less_than_the_socket_does() -> None:
    with redis.Redis(socket_timeout=0.5) as hasty, redis.Redis(socket_timeout=None) as calm:
        assert _connect.patience(hasty) == 0.25
        assert _connect.patience(calm) == 1.0


# -------------------------------------------------------------------------------------- coroutines


def test_coroutines_have_the_same(models: Server) -> None:
    async def main() -> list[Arrays]:
        async with AsyncClient(f"redis://127.0.0.1:{models.port}") as client:
            await client.tensorset("x", np.full(2, 3, "f4"))
            await client.modelexecute("mul", ["x", "x"], ["y"])
            dag = (
                client.dag().tensorset("~a~", np.ones(2, "f4")).modelexecute("sum", ["~a~", "x", "y"], ["z"])
            )
            dag.tensorget("z")
            run = await dag.submit()
            assert (await run.status()).id == run.id
            results = [[await client.tensorget("y")], await dag.execute(), await run.result(150)]
            assert not await run.cancel()
            assert (await client.info("mul"))["calls"] == 1
            assert await client.config("MODEL_CHUNK_SIZE") == 511 << 20
            await client.delete("z")
            assert set(await client.models()) == {"mul", "mul2", "sum", "split"}
            return results

    product, total, again = asyncio.run(main())
    assert product[0].tolist() == [9, 9]
    assert total[0].tolist() == again[0].tolist() == [13, 13]


def test_both_clients_have_the_same_methods() -> None:
    names = {name for name in vars(Client) if not name.startswith("_")}
    assert names == {name for name in vars(AsyncClient) if not name.startswith("_")}
