"""What values hold is counted, and more than may be held is refused."""

from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula.server import Config, MemoryKeyspace, Server, Tensor, background
from alula.server._keyspace import HashValue, ListValue, Value
from alula.server._meter import Meter, size_of
from alula.server._tensors import DTYPES
from tests.server.world import MUL, Connect, Wire, request

OOM: Final = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
OK: Final = b"+OK\r\n"


def tensor(size: int) -> Tensor:
    return Tensor(DTYPES[b"UINT8"], (size,), bytes(size))


@pytest.fixture
def wire(connect: Connect) -> Iterator[Wire]:
    with background(Server(port=0, config=Config(maxmemory=5000))) as server:
        wire = connect(server)
        yield wire
        wire.close()


def test_beyond_the_limit_what_holds_more_is_refused_and_all_else_goes_on(wire: Wire) -> None:
    assert wire.ask("AI.TENSORSET", "big", "UINT8", 8000, "BLOB", bytes(8000)) == OK
    assert wire.ask("AI.TENSORSET k UINT8 1") == OOM
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == OOM
    assert wire.ask("AI.DAGRUN TENSORSET a UINT8 1 VALUES 1") == OOM
    assert wire.ask("AI.TENSORGET big META").startswith(b"*4\r\n")
    assert wire.ask("AI.DAGRUN_RO TENSORSET ~a~ UINT8 1 VALUES 1") == b"*1\r\n+OK\r\n"
    assert b"\r\nused_memory:8099\r\n" in wire.ask("INFO memory")
    assert wire.ask("DEL big") == b":1\r\n"
    assert wire.ask("AI.TENSORSET k UINT8 1") == OK
    assert wire.ask("AI.MODELSTORE", "m", "ONNX", "CPU", "BLOB", MUL) == OK


def test_a_transaction_with_a_command_that_is_refused_is_broken(wire: Wire) -> None:
    assert wire.ask("AI.TENSORSET", "big", "UINT8", 8000, "BLOB", bytes(8000)) == OK
    wire.send(request("MULTI") + request("AI.TENSORSET k UINT8 1") + request("EXEC"))
    assert [wire.reply() for _ in range(3)] == [
        OK,
        OOM,
        b"-EXECABORT Transaction discarded because of previous errors.\r\n",
    ]


def test_a_limit_that_comes_later_counts_what_is_there_and_one_that_goes_is_none() -> None:
    keyspace, config, heard = MemoryKeyspace(), Config(), list[bool]()
    meter = Meter(keyspace, config, lambda: heard.append(meter.limited))
    keyspace.write({b"k": tensor(1000)})
    assert (meter.used, meter.full) == (None, False)
    config.set({"maxmemory": "900"})
    assert meter.used is not None
    assert meter.full
    config.set({"maxmemory": "0"})
    assert (meter.full, heard) == (False, [True, False])
    meter.close()
    config.set({"maxmemory": "1"})
    assert heard == [True, False]


KEYS = st.sampled_from([b"a", b"b", b"c"])
VALUES: st.SearchStrategy[Value] = st.one_of(
    st.builds(tensor, st.integers(0, 50)),
    st.binary(max_size=50),
    st.builds(ListValue, st.lists(st.binary(max_size=9), min_size=1)),
    st.builds(HashValue, st.dictionaries(st.binary(max_size=9), st.binary(max_size=9), min_size=1)),
)
STEPS = st.one_of(
    st.tuples(st.just("put"), KEYS, VALUES),
    st.tuples(st.just("delete"), KEYS, st.none()),
    st.tuples(st.just("clear"), st.none(), st.none()),
)


@given(st.lists(STEPS))
def test_after_any_changes_the_count_is_that_of_what_is_there(
    steps: "list[tuple[str, bytes | None, Value | None]]",
) -> None:
    keyspace = MemoryKeyspace()
    meter = Meter(keyspace, Config(), lambda: None)
    meter.count()
    for step, key, value in steps:
        match step, key, value:
            case "put", bytes(), None:
                pass
            case "put", bytes(), _:
                assert value is not None
                keyspace.put(key, value)
            case "delete", bytes(), _:
                keyspace.delete([key])
            case _:
                keyspace.clear()
    assert meter.used == sum(len(key) + 96 + size_of(value) for key, value in keyspace.scan())
