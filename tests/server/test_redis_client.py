"""A real client against a real server."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import redis

from alula.server import Server
from tests.server.world import MUL, onnx_model

ABS = onnx_model("Abs", {"x": None}, ["y"])


@pytest.fixture(params=[2, 3])
def client(models: Server, request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    with redis.Redis(port=models.port, protocol=request.param) as made:
        yield made


def test_an_ensemble_is_one_command_and_leaves_only_what_has_no_wings(client: Any) -> None:
    image = np.random.default_rng(5).normal(size=(1, 784)).astype("f4")
    for name in ("one", "two", "three"):
        client.execute_command(
            "AI.MODELSTORE", name, "ONNX", "CPU", "BLOB", onnx_model("Abs", {"x": None}, ["y"])
        )
    words = "=> MODELRUN one INPUTS ~x~ OUTPUTS ~a~ => MODELRUN two INPUTS ~x~ OUTPUTS ~b~"
    words += " => MODELRUN three INPUTS ~x~ OUTPUTS ~c~ => MODELRUN sum INPUTS ~a~ ~b~ ~c~ OUTPUTS total"
    words += " => TENSORGET total BLOB"
    begin = ("AI.DAGRUN", "TENSORSET", "~x~", "FLOAT", 1, 784, "BLOB", image.tobytes())
    *done, blob = client.execute_command(*begin, *words.split())
    assert done == [b"OK"] * 5
    np.testing.assert_allclose(np.frombuffer(blob, "f4"), 3 * np.abs(image[0]), rtol=1e-6)
    assert client.exists("total") == 1
    assert not [key for key in client.keys("*") if key.startswith(b"~")]


def test_errors_are_exceptions_without_their_code(client: Any) -> None:
    with pytest.raises(redis.ResponseError, match=r"^model key is empty$"):
        client.execute_command("AI.MODELGET", "nope")
    with pytest.raises(redis.ResponseError, match=r"^WRONGTYPE "):
        client.execute_command("AI.TENSORGET", "mul")


def test_a_pipeline_of_plain_commands(client: Any) -> None:
    with client.pipeline(transaction=False) as pipe:
        pipe.execute_command("AI.TENSORSET", "k", "FLOAT", 2, "VALUES", 2, 3)
        pipe.execute_command("AI.MODELEXECUTE", "mul", "INPUTS", 2, "k", "k", "OUTPUTS", 1, "y")
        pipe.execute_command("AI.TENSORGET", "y", "VALUES")
        pipe.delete("k", "y")
        assert [list(map(float, each)) if isinstance(each, list) else each for each in pipe.execute()] == [
            *(b"OK", b"OK", [4.0, 9.0], 2)
        ]


def test_the_clients_own_commands(client: Any) -> None:
    assert client.ping()
    assert client.echo("x") == b"x"
    assert client.client_setname("me")
    assert client.client_getname() in ("me", b"me")
    assert client.dbsize() == 4
    assert client.type("mul") == b"AI__MODEL"
    assert client.info()["redis_version"] == "7.2.0"
    assert client.command_count() == len(client.execute_command("COMMAND"))
    assert client.flushall()


def test_a_name_of_any_bytes(client: Any) -> None:
    client.execute_command("AI.MODELSTORE", "модель\0", "ONNX", "CPU", "BLOB", MUL)
    assert client.execute_command("AI.MODELGET", "модель\0", "BLOB") == MUL


def test_plain_values(client: Any) -> None:
    assert client.set("s", "v", ex=100)
    assert (client.get("s"), client.ttl("s"), client.type("s")) == (b"v", 100, b"string")
    assert client.rpush("l", 1, 2, 3) == 3
    assert client.lrange("l", 0, -1) == [b"1", b"2", b"3"]
    assert client.hset("h", mapping={"f": 1, "g": 2}) == 2
    assert client.hgetall("h") == {b"f": b"1", b"g": b"2"}
    assert client.incr("n", 5) == 5
    assert set(client.scan_iter(match="?", count=1)) == {b"s", b"l", b"h", b"n"}


def test_a_transaction_is_tried_again_while_others_change_what_it_rests_on(client: Any) -> None:
    tries: list[int] = []

    def step(pipe: Any) -> None:
        before = int(pipe.get("n") or 0)
        if not tries:
            client.set("n", 10)
        tries.append(before)
        pipe.multi()
        pipe.set("n", before + 1)

    assert client.transaction(step, "n") == [True]
    assert (tries, client.get("n")) == ([0, 10], b"11")


def test_tensors_and_plain_values_in_one_transaction(client: Any) -> None:
    with client.pipeline(transaction=True) as pipe:
        pipe.execute_command("AI.TENSORSET", "k", "INT8", 1, "VALUES", 7)
        pipe.set("s", "v")
        pipe.execute_command("AI.TENSORGET", "k", "VALUES")
        assert pipe.execute() == [b"OK", True, [7]]


def test_messages(client: Any) -> None:
    with client.pubsub() as channel:
        channel.subscribe("c")
        channel.psubscribe("d*")
        assert [channel.get_message(timeout=150)["data"] for _ in range(2)] == [1, 2]
        assert client.publish("c", "x") == 1
        assert client.publish("dd", "y") == 1
        assert [channel.get_message(timeout=150)["data"] for _ in range(2)] == [b"x", b"y"]


def test_what_the_client_asks_of_the_server(client: Any) -> None:
    assert client.config_set("slowlog-log-slower-than", 0)
    assert client.config_get("slowlog-log-*") == {"slowlog-log-slower-than": "0"}
    assert client.slowlog_get(1)[0]["command"].startswith(b"CONFIG ")
    assert client.slowlog_reset()
    (me,) = client.client_list()
    assert me["lib-name"] == "redis-py"
    assert client.client_info()["id"] == client.client_id() == int(me["id"])
    assert client.command_getkeys("AI.DAGRUN", "LOAD", 1, "a", "|>", "AI.TENSORGET", "a") in (["a"], [b"a"])
    assert client.module_list()[0]
    assert client.time()[0] > 1_700_000_000
    assert client.wait(0, 10) == 0
    assert client.command()["ai.tensorset"]["arity"] == -4
    with pytest.raises(redis.ResponseError, match="Cannot run RedisAI command"):
        client.eval("return 1", 0)
