"""What the archived original's own Python client does, against a server: a program of its own.

It runs beside a redis-py that may be another one than the tests' own, so nothing of ours is imported
here. Given are a port, the version of RESP, and a folder with models; it prints what it has tried.
"""

import sys
import types
import warnings
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

if find_spec("pkg_resources") is None:  # the client asks it for its own version; setuptools has it no more
    shim: Any = types.ModuleType("pkg_resources")
    shim.get_distribution = metadata.distribution
    sys.modules["pkg_resources"] = shim

warnings.simplefilter("ignore")  # of the client, about what it calls deprecated
import redis  # noqa: E402  # after the module that the next one needs
from redisai import Client  # type: ignore[import-not-found]  # noqa: E402  # lies in a folder of its own

SCRIPT = """
def bar(tensors: List[Tensor], keys: List[str], args: List[str]):
    return tensors[0] + tensors[1]

def old(a, b):
    return a + b
"""


def tensors(con: Any, folder: Path) -> None:
    """Tensors go as arrays and as lists, and come back as either."""
    array = np.array([[2, 3], [4, 5]], dtype=np.float32)
    assert con.tensorset("x", array) == "OK"
    np.testing.assert_array_equal(con.tensorget("x"), array)
    assert con.tensorset("y", [1, 2, 3], shape=[3], dtype="int32") == "OK"
    assert con.tensorget("y", as_numpy=False)["values"] == [1, 2, 3]
    assert con.tensorget("x", meta_only=True) == {"dtype": "FLOAT", "shape": [2, 2]}
    assert con.tensorset("b", np.array([True, False])) == "OK"
    assert con.tensorget("b").tolist() == [True, False]
    assert con.tensorset("s", ["ab", "c"], shape=[2], dtype="str") == "OK"
    refused(lambda: con.tensorget("nothing"), "tensor key is empty or in a different shard")


def refused(call: Callable[[], object], text: str) -> None:
    """See that a call raises the error of redis-py with this text."""
    said = "nothing"
    try:
        call()
    except redis.exceptions.ResponseError as error:
        said = str(error)
    assert said == text


def models(con: Any, folder: Path) -> None:
    """Models are stored in pieces of the size that the server says, run, described and removed."""
    blob = (folder / "mul.onnx").read_bytes()
    assert con.modelstore("m", "onnx", "cpu", blob, tag="v1", batch=4) == "OK"
    assert con.modelset("old", "onnx", "cpu", blob) == "OK"
    con.tensorset("x", np.array([[2, 3]], dtype=np.float32))
    assert con.modelexecute("m", ["x", "x"], ["z"]) == "OK"
    assert con.modelrun("m", ["x", "x"], "w") == "OK"
    np.testing.assert_array_equal(con.tensorget("z"), [[4, 9]])
    np.testing.assert_array_equal(con.tensorget("w"), [[4, 9]])
    meta = con.modelget("m", meta_only=True)
    assert (meta["backend"], meta["device"], meta["tag"], meta["batchsize"]) == ("ONNX", "cpu", "v1", 4)
    assert con.modelget("m")["blob"] == blob
    assert sorted(con.modelscan()) == [["m", "v1"], ["old", ""]]
    assert con.modeldel("old") == "OK"


def dags(con: Any, folder: Path) -> None:
    """Both generations of its DAGs, and the read-only one."""
    x = np.array([[2, 3]], dtype=np.float32)
    con.tensorset("x", x)
    dag = con.dag(load=["x"], persist="kept")
    dag.tensorset("a", x).modelexecute("m", ["a", "x"], "kept").tensorget("kept")
    done = dag.execute()
    assert done[:2] == ["OK", "OK"]
    np.testing.assert_array_equal(done[2], [[4, 9]])
    np.testing.assert_array_equal(con.tensorget("kept"), [[4, 9]])
    dag = con.dag(load=["x"], timeout=1000, readonly=True)
    np.testing.assert_array_equal(dag.tensorget("x").execute()[0], x)
    dag = con.dag(routing="x")
    assert dag.tensorset("a", [1, 2], shape=[2], dtype="float32").tensorget(
        "a", as_numpy=False
    ).execute() == [
        "OK",
        {"dtype": "FLOAT", "shape": [2], "values": [1.0, 2.0]},
    ]
    dag = con.dag()
    done = dag.tensorset("a", x).modelrun("m", ["a", "a"], "b").tensorget("b").run()
    np.testing.assert_array_equal(done[2], [[4, 9]])
    dag = con.dag(load=["nothing"]).tensorget("nothing")
    refused(dag.execute, "tensor key is empty or in a different shard")


def pipelines(con: Any, folder: Path) -> None:
    """Its commands between those of Redis, in a transaction and without."""
    for transaction in (True, False):
        pipe = con.pipeline(transaction=transaction)
        pipe.tensorset("p", np.array([1, 2], dtype=np.float32)).set("native", 1).tensorget("p").get("native")
        done = pipe.execute()
        assert done[0] in (b"OK", "OK"), done
        assert done[1] is True
        np.testing.assert_array_equal(done[2], [1, 2])
        assert done[3] == b"1"


def scripts(con: Any, folder: Path) -> None:
    """Scripts with entry points and without; in a DAG, too."""
    assert con.scriptstore("ket1", "cpu", SCRIPT, "bar", tag="v") == "OK"
    assert con.scriptset("ket2", "cpu", SCRIPT) == "OK"
    con.tensorset("x", np.array([[2, 3]], dtype=np.float32))
    assert con.scriptexecute("ket1", "bar", inputs=["x", "x"], outputs=["z"]) == "OK"
    assert con.scriptrun("ket2", "old", ["x", "x"], "w") == "OK"
    np.testing.assert_array_equal(con.tensorget("z"), [[4, 6]])
    np.testing.assert_array_equal(con.tensorget("w"), [[4, 6]])
    found = con.scriptget("ket1")
    assert (found["device"], found["tag"], found["source"]) == ("cpu", "v", SCRIPT), found
    assert con.scriptscan() == [["ket1", "v"], ["ket2", ""]]
    dag = con.dag(load=["x"]).scriptexecute("ket1", "bar", inputs=["x", "x"], outputs=["z"]).tensorget("z")
    np.testing.assert_array_equal(dag.execute()[1], [[4, 6]])
    assert con.scriptdel("ket1") == "OK"


def servers(con: Any, folder: Path) -> None:
    """Statistics and settings."""
    info = con.infoget("m")
    assert (info["key"], info["type"], info["backend"]) == ("m", "MODEL", "ONNX")
    assert info["calls"] > 0
    assert con.inforeset("m") == "OK"
    assert con.infoget("m")["calls"] == 0
    assert con.config("MODEL_CHUNK_SIZE", 20) == "OK"
    assert con.config("MODEL_CHUNK_SIZE") == 20
    assert con.modelstore("m", "onnx", "cpu", (folder / "mul.onnx").read_bytes()) == "OK"
    assert b"".join(con.modelget("m")["blob"]) == (folder / "mul.onnx").read_bytes()
    assert con.config("MODEL_CHUNK_SIZE", 535822336) == "OK"
    refused(lambda: con.config("nonsense", 1), "unsupported subcommand")


def main(port: int, protocol: int, folder: Path, torch: str) -> None:
    """Try everything, and say with which redis-py."""
    tried = [tensors, models, dags, pipelines, servers, *([scripts] if torch == "torch" else [])]
    with Client(host="127.0.0.1", port=port, protocol=protocol) as con:
        for step in tried:
            step(con, folder)
    print(redis.__version__.split(".")[0], *(step.__name__ for step in tried))


main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
