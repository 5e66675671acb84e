import json

import pytest

from alula.errors import CommandError
from alula.server import Server, picture, plan
from tests.server.world import MUL, Wire


def boxes(svg: str) -> list[tuple[str, str]]:
    """The names in a picture, and whether each has the outline of a volatile value."""
    found = []
    for part in svg.split("<g>")[1:]:
        name = part.split("</text>")[0].rpartition(">")[2]
        found.append((name, "volatile" if 'class="volatile' in part else "durable"))
    return found


def test_an_inline_dag_shows_wings_where_they_are() -> None:
    words = "AI.DAGRUN TENSORSET ~x~ INT8 1 => MODELRUN net INPUTS ~x~ w OUTPUTS ~y~ z"
    svg = picture(*words.split())
    names = [("~x~", "volatile"), ("w", "durable"), ("~y~", "volatile"), ("z", "durable")]
    assert sorted(boxes(svg)) == sorted(names)
    assert ">net</text>" in svg


def test_in_the_scoped_spelling_what_is_neither_loaded_nor_persisted_is_volatile() -> None:
    words = "AI.DAGRUN LOAD 1 a PERSIST 1 c |> MODELRUN m INPUTS a OUTPUTS b |> MODELRUN m INPUTS b OUTPUTS"
    svg = picture(*words.split(), b"c", "|>", "TENSORGET", "c")
    assert sorted(boxes(svg)) == [("a", "durable"), ("c", "durable"), ("~b~", "volatile")]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("AI.DAGRUN |> TENSORGET a", "INPUT key cannot be found"),
        ("AI.DAGRUN TENSORGET ~a~", "INPUT key cannot be found"),
        ("AI.DAGRUN PERSIST 1 a", "DAG is empty"),
        ("AI.TENSORSET a INT8 1", "only a DAG command can be looked at: AI.DAGRUN"),
        ("", "only a DAG command can be looked at"),
    ],
)
def test_what_is_no_correct_dag_is_refused(words: str, why: str) -> None:
    with pytest.raises(CommandError, match=why):
        picture(*words.split())


# ------------------------------------------------------------------------------------- as data


def test_of_a_name_that_is_bound_again_only_the_last_value_is_durable() -> None:
    svg = picture(
        *["AI.DAGRUN", "TENSORSET", "a", "INT8", "1", "=>", "MODELRUN", "m", "INPUTS", "a", "OUTPUTS", "a"]
    )
    assert sorted(boxes(svg)) == [("a", "durable"), ("~a~", "volatile")]


def node(name: str, operation: int | None, *, durable: bool = False, **known: object) -> dict[str, object]:
    return {
        "name": name,
        "durable": durable,
        "operation": operation,
        "dtype": known.get("dtype"),
        "shape": known.get("shape"),
    }


def operation(kind: str, *waits: int, key: str | None = None, device: str | None = None) -> dict[str, object]:
    return {"kind": kind, "key": key, "device": device, "waits": list(waits)}


def test_the_plan_of_an_inline_dag() -> None:
    words = (
        "ai.dagrun TIMEOUT 50 tensorset ~x~ INT8 1 2 => MODELRUN net INPUTS ~x~ w OUTPUTS ~y~ z "
        "=> AI.MODELEXECUTE top INPUTS 2 ~y~ ~y~ OUTPUTS 1 z => TENSORGET z"
    )
    assert plan(*words.split()) == {
        "command": "AI.DAGRUN",
        "spelling": "inline",
        "timeout": 50,
        "nodes": [
            node("~x~", 0, dtype="INT8", shape=[1, 2]),
            node("w", None, durable=True),
            node("~y~", 1),
            node("z", 1),
            node("z", 2, durable=True),
        ],
        "edges": [[0, 2], [1, 2], [0, 3], [1, 3], [2, 4]],
        "operations": [
            operation("AI.TENSORSET"),
            operation("AI.MODELRUN", 0, key="net"),
            operation("AI.MODELEXECUTE", 1, key="top"),
            operation("AI.TENSORGET", 2),
        ],
        "loads": ["w"],
        "stores": {"z": 4},
    }


def test_the_plan_of_a_scoped_dag() -> None:
    words = "AI.DAGEXECUTE LOAD 2 a b PERSIST 2 b c |> MODELEXECUTE m INPUTS 1 a OUTPUTS 1 c |> TENSORGET a"
    found = plan(*words.split())
    assert found["spelling"] == "scoped"
    assert found["nodes"] == [
        node("a", None, durable=True),
        node("c", 0, durable=True),
        node("b", None, durable=True),
    ]
    assert (found["loads"], found["stores"]) == (["a", "b"], {"c": 1, "b": 2})


def test_a_server_says_where_things_would_run_and_what_would_be_wrong(server: Server, wire: Wire) -> None:
    server.deploy("mul", MUL, device="cpu:1")
    words = "AI.DAGRUN TENSORSET ~x~ FLOAT 1 => MODELRUN mul INPUTS ~x~ ~x~ OUTPUTS y"
    reply = wire.ask("AI.DAGPLAN " + words)
    found = json.loads(reply.split(b"\r\n")[1])
    local = plan(*words.split())
    local["operations"][1]["device"] = "CPU:1"
    assert found == local
    assert wire.ask("EXISTS y") == b":0\r\n"
    for wrong in ("MODELRUN no INPUTS ~x~ OUTPUTS y", "TENSORGET ~x~", "TENSORGET x", "|> PING"):
        assert wire.ask("AI.DAGPLAN AI.DAGRUN " + wrong) == wire.ask("AI.DAGRUN " + wrong)
    assert wire.ask("AI.DAGPLAN PING").startswith(b"-ERR only a DAG command can be looked at: AI.DAGRUN, ")
    assert wire.ask("AI.DAGPLAN") == b"-ERR wrong number of arguments for 'AI.DAGPLAN' command\r\n"
    assert wire.ask("COMMAND GETKEYS AI.DAGPLAN AI.DAGRUN TENSORGET x") == b"*1\r\n$1\r\nx\r\n"
