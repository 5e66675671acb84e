"""A real client against a real server."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import redis

from alula.server import Server
from tests.server.world import MUL, onnx_model

ABS = onnx_model("Abs", {"x": None}, ["y"])


@pytest.fixture
def client(models: Server) -> Iterator[redis.Redis]:
    with redis.Redis(port=models.port, protocol=2) as made:
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
        assert pipe.execute() == [b"OK", b"OK", [b"4", b"9"], 2]


def test_the_clients_own_commands(client: Any) -> None:
    assert client.ping()
    assert client.echo("x") == b"x"
    assert client.client_setname("me")
    assert client.client_getname() == "me"
    assert client.dbsize() == 4
    assert client.type("mul") == b"AI__MODEL"
    assert client.info()["redis_version"] == "7.2.0"
    assert client.command_count() == len(client.execute_command("COMMAND"))
    assert client.flushall()


def test_a_name_of_any_bytes(client: Any) -> None:
    client.execute_command("AI.MODELSTORE", "модель\0", "ONNX", "CPU", "BLOB", MUL)
    assert client.execute_command("AI.MODELGET", "модель\0", "BLOB") == MUL
