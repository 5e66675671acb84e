"""Runs that nobody waits for: their ids, their states, their end, and what cancelling them does."""

import gc
import re
import weakref
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alula._core._clock import SYSTEM
from alula.errors import CommandError, StoreUnavailableError
from alula.server import Config, MemoryKeyspace, Server, Stop, Tensor, background
from alula.server._background import Record
from alula.testing import Clock
from tests.server.world import (
    MUL,
    PATIENCE,
    Connect,
    Controlled,
    Gate,
    Log,
    Start,
    Wire,
    endless,
    request,
    tensor,
)

OK = b"+OK\r\n"
NONE = b"-ERR no such DAG id\r\n"


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


def begin(wire: Wire, words: str) -> bytes:
    """Start a run and give its id."""
    reply = wire.ask("AI.DAGRUNASYNC " + words)
    assert reply.startswith(b"$"), reply
    return reply.split(b"\r\n")[1]


def status(wire: Wire, number: bytes, *options: str) -> dict[str, bytes]:
    """The fields of a status, each as it came."""
    reply = wire.ask("AI.DAGSTATUS", number, *options)
    assert reply.startswith(b"*"), reply
    fields: dict[str, bytes] = {}
    for name in (
        "id",
        "state",
        "ops",
        "completed",
        "opstates",
        "queued_ms",
        "run_ms",
        "persisted",
        "replies",
    ):
        head, mark, tail = reply.partition(bulk(name.encode()))
        if not mark:
            continue
        if fields:
            fields[[*fields][-1]] = head
        fields[name], reply = b"", tail
    fields[[*fields][-1]] = reply
    return fields


def simple(*words: str) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"+%b\r\n" % word.encode() for word in words)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def running(start: Start, gate: Gate, clock: Clock) -> Server:
    def fail(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        raise CommandError("it is broken")

    return start(clock=clock, gate=gate, m=Log(), bad=fail)


@pytest.fixture
def wire(running: Server, connect: Connect) -> Wire:
    made = connect(running)
    tensor(made, "k", 7)
    return made


# ---------------------------------------------------------------------------------------- replies


def test_a_run_to_its_end_byte_by_byte(wire: Wire, clock: Clock) -> None:
    number = begin(wire, "KEEP 0 MODELRUN m INPUTS k OUTPUTS y => TENSORGET y VALUES => TENSORSET ~v~ INT8 1")
    assert wire.ask("AI.DAGSTATUS", number, "WAIT", 0) == (
        b"*18\r\n"
        + (bulk(b"id") + bulk(number))
        + (bulk(b"state") + b"+done\r\n")
        + (bulk(b"ops") + b":3\r\n")
        + (bulk(b"completed") + b":3\r\n")
        + (bulk(b"opstates") + simple("ok", "ok", "ok"))
        + (bulk(b"queued_ms") + b":0\r\n")
        + (bulk(b"run_ms") + b":0\r\n")
        + (bulk(b"persisted") + b"*1\r\n$1\r\ny\r\n")
        + (bulk(b"replies") + b"*3\r\n+OK\r\n*1\r\n:7\r\n+OK\r\n")
    )
    assert wire.ask("AI.DAGSTATUS", number, "NOREPLIES").startswith(b"*16\r\n")
    assert wire.ask("AI.TENSORGET y VALUES") == b"*1\r\n:7\r\n"
    assert re.fullmatch(b"%d-0" % (clock.time() * 1000), number)


def test_states_and_times_on_the_way(
    wire: Wire, gate: Gate, clock: Clock, running: Server, connect: Connect
) -> None:
    first = begin(wire, "MODELRUN gate INPUTS k OUTPUTS a => MODELRUN m INPUTS a OUTPUTS b => TENSORGET b")
    assert gate.begun.wait(PATIENCE)
    second = begin(wire, "MODELRUN m INPUTS k OUTPUTS c => TENSORGET k VALUES => TENSORGET c")
    clock.advance(2)
    found = status(wire, first)
    assert (found["state"], found["opstates"]) == (b"+running\r\n", simple("running", "waiting", "waiting"))
    assert (found["completed"], found["queued_ms"], found["run_ms"]) == (b":0\r\n", b":0\r\n", b":2000\r\n")
    assert (found["persisted"], found["replies"]) == (b"*0\r\n", b"$-1\r\n")
    found = status(wire, second)
    assert (found["state"], found["opstates"]) == (b"+queued\r\n", simple("waiting", "ok", "waiting"))
    assert (found["completed"], found["queued_ms"], found["run_ms"]) == (
        b":1\r\n",
        b":2000\r\n",
        b":0\r\n",
    )
    waiting = connect(running)
    waiting.send(request("AI.DAGSTATUS", second, "WAIT", 0, "NOREPLIES"))
    assert wire.ask("EXISTS a b c") == b":0\r\n"
    gate.may_end.set()
    assert b"+done\r\n" in waiting.reply()
    found = status(wire, second)
    assert (found["queued_ms"], found["run_ms"]) == (b":2000\r\n", b":0\r\n")
    assert status(wire, first)["run_ms"] == b":2000\r\n"
    assert wire.ask("EXISTS a b c") == b":3\r\n"


def test_ids_sort_by_age_and_come_once(wire: Wire, clock: Clock) -> None:
    found = [begin(wire, "TENSORSET a INT8 1") for _ in range(3)]
    clock.advance(0.001)
    found.append(begin(wire, "TENSORSET a INT8 1"))
    clock.jump(-3600)  # somebody sets the clock back
    found.append(begin(wire, "TENSORSET a INT8 1"))
    now = int((clock.time() + 3600) * 1000)
    numbers = [(now - 1, 0), (now - 1, 1), (now - 1, 2), (now, 0), (now, 1)]
    assert found == [b"%d-%d" % number for number in numbers]
    assert wire.ask("AI.DAGLIST") == b"*5\r\n" + b"".join(b"*2\r\n" + bulk(n) + b"+done\r\n" for n in found)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("AI.DAGRUNASYNC NOID", "ERR wrong number of arguments for 'AI.DAGRUNASYNC' command"),
        ("AI.DAGRUNASYNC NOID KEEP", "ERR No value provided for KEEP"),
        ("AI.DAGRUNASYNC KEEP x TENSORGET k", "ERR Invalid value for KEEP"),
        ("AI.DAGRUNASYNC KEEP -1 TENSORGET k", "ERR Invalid value for KEEP"),
        ("AI.DAGRUNASYNC NOID NOID TENSORGET k", "ERR Invalid DAG command. Unexpected argument:  NOID"),
        ("AI.DAGRUN NOID TENSORGET k", "ERR Invalid DAG command. Unexpected argument:  NOID"),
        ("AI.DAGRUN KEEP 5 TENSORGET k", "ERR Invalid DAG command. Unexpected argument:  KEEP"),
        ("AI.DAGRUNASYNC TENSORGET nope", "ERR tensor key is empty or in a different shard"),
        ("AI.DAGRUNASYNC MODELRUN k INPUTS k OUTPUTS y",
         "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("AI.DAGRUNASYNC |> PING x", "Unsupported command within DAG"),
        ("AI.DAGSTATUS", "ERR wrong number of arguments for 'AI.DAGSTATUS' command"),
        ("AI.DAGSTATUS nope", "ERR no such DAG id"),
        ("AI.DAGCANCEL", "ERR wrong number of arguments for 'AI.DAGCANCEL' command"),
        ("AI.DAGCANCEL nope", "ERR no such DAG id"),
        ("AI.DAGLIST STATE", "ERR syntax error"),
        ("AI.DAGLIST NOPE done", "ERR syntax error"),
        ("AI.DAGLIST STATE nope", "ERR syntax error"),
    ],
)  # fmt: skip
def test_what_is_not_right_is_one_error_and_gives_no_id(wire: Wire, words: str, why: str) -> None:
    assert wire.ask(words) == f"-{why}\r\n".encode()
    assert wire.ask("AI.DAGLIST") == b"*0\r\n"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("WAIT", "ERR No value provided for WAIT"),
        ("WAIT x", "ERR Invalid value for WAIT"),
        ("WAIT -1", "ERR Invalid value for WAIT"),
        ("NOREPLIES NOPE", "ERR syntax error"),
    ],
)
def test_options_of_a_status_that_are_not_right(wire: Wire, options: str, why: str) -> None:
    number = begin(wire, "TENSORGET k")
    assert wire.ask("AI.DAGSTATUS", number, *options.split()) == f"-{why}\r\n".encode()


@pytest.mark.parametrize(
    "words",
    [
        "PERSIST 1 y LOAD 1 k KEEP 9 TIMEOUT 9 |> AI.MODELEXECUTE m INPUTS 1 k OUTPUTS 1 y",
        "ROUTING x LOAD 1 k PERSIST 1 y |> MODELRUN m INPUTS k OUTPUTS y",
        "=> AI.MODELEXECUTE m INPUTS 1 k OUTPUTS 1 y",
    ],
)
def test_both_spellings_and_both_forms_are_taken(wire: Wire, words: str) -> None:
    assert b"+done" in status(wire, begin(wire, words), "WAIT", "0")["state"]
    assert wire.ask("EXISTS y") == b":1\r\n"


def test_a_run_without_an_id_leaves_its_keys_and_nothing_else(wire: Wire) -> None:
    assert wire.ask("AI.DAGRUNASYNC NOID TENSORSET y INT8 1") == OK
    assert (wire.ask("EXISTS y"), wire.ask("AI.DAGLIST")) == (b":1\r\n", b"*0\r\n")


def test_it_may_be_begun_in_a_transaction_where_nothing_waits(wire: Wire, gate: Gate) -> None:
    words = "AI.DAGRUNASYNC MODELRUN gate INPUTS k OUTPUTS y"
    assert [wire.ask("MULTI"), wire.ask(words), wire.ask("AI.DAGLIST STATE queued")] == [
        OK,
        b"+QUEUED\r\n",
        b"+QUEUED\r\n",
    ]
    number = wire.ask("EXEC").split(b"\r\n")[2]
    assert [wire.ask("MULTI"), wire.ask("AI.DAGSTATUS", number, "WAIT", 0)] == [OK, b"+QUEUED\r\n"]
    assert b"+running" in wire.ask("EXEC")
    gate.may_end.set()
    assert b"+done" in status(wire, number, "WAIT", "0")["state"]


def test_its_client_may_go(wire: Wire, gate: Gate, running: Server, connect: Connect) -> None:
    other = connect(running)
    number = begin(other, "MODELRUN gate INPUTS k OUTPUTS y")
    other.close()
    while b"connected_clients:2" in wire.ask("INFO clients"):
        pass
    gate.may_end.set()
    assert b"+done" in status(wire, number, "WAIT", "0")["state"]
    assert wire.ask("EXISTS y") == b":1\r\n"


def test_to_wait_may_take_no_longer_than_it_is_told_and_its_client_may_go(
    start: Start, gate: Gate, connect: Connect
) -> None:
    server = start(clock=SYSTEM, gate=gate)
    wire, other = connect(server), connect(server)
    tensor(wire, "k", 1)
    number = begin(wire, "MODELRUN gate INPUTS k OUTPUTS y")
    assert b"+running" in status(wire, number, "WAIT", "1")["state"]
    other.send(request("AI.DAGSTATUS", number, "WAIT", 60000))
    other.close()
    while b"connected_clients:2" in wire.ask("INFO clients"):
        pass
    gate.may_end.set()
    assert b"+done" in status(wire, number, "WAIT", "60000")["state"]


# ------------------------------------------------------------------------------------------- ends


def test_a_failed_run_says_what_dagrun_would_have_said(wire: Wire) -> None:
    number = begin(wire, "MODELRUN bad INPUTS k OUTPUTS y => MODELRUN m INPUTS y OUTPUTS z => TENSORGET z")
    found = status(wire, number, "WAIT", "0")
    assert (found["state"], found["opstates"]) == (b"+failed\r\n", simple("error", "skipped", "skipped"))
    assert (found["completed"], found["persisted"]) == (b":0\r\n", b"*0\r\n")
    assert found["replies"] == b"*3\r\n-it is broken\r\n+NA\r\n+NA\r\n"


def test_a_run_that_cannot_be_stored_has_failed(wire: Wire) -> None:
    found = status(wire, begin(wire, "TENSORSET m INT8 1"), "WAIT", "0")
    assert (found["state"], found["opstates"], found["persisted"]) == (
        b"+failed\r\n",
        simple("ok"),
        b"*0\r\n",
    )
    why = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
    assert found["replies"] == b"*2\r\n+OK\r\n" + why


def test_a_run_may_time_out(wire: Wire, gate: Gate, clock: Clock) -> None:
    begin(wire, "MODELRUN gate INPUTS k OUTPUTS y")
    assert gate.begun.wait(PATIENCE)
    number = begin(wire, "TIMEOUT 100 MODELRUN m INPUTS k OUTPUTS z => TENSORSET d INT8 1")
    clock.advance(1)
    gate.may_end.set()
    found = status(wire, number, "WAIT", "0")
    assert (found["state"], found["opstates"]) == (b"+timedout\r\n", simple("skipped", "ok"))
    assert (found["replies"], wire.ask("EXISTS z d")) == (b"+TIMEDOUT\r\n", b":0\r\n")


def test_the_end_is_told_when_the_keys_can_be_seen(wire: Wire, running: Server) -> None:
    told: list[tuple[bytes, str, bool]] = []
    services = running._services
    services.background.listeners.append(
        lambda number, state: told.append((number, state, services.keyspace.read(b"y") is not None))
    )
    first = begin(wire, "MODELRUN m INPUTS k OUTPUTS y")
    second = begin(wire, "MODELRUN bad INPUTS k OUTPUTS x")
    for number in (first, second):
        status(wire, number, "WAIT", "0")
    assert told == [(first, "done", True), (second, "failed", True)]


def test_the_end_is_published_behind_the_events_of_the_keys(
    wire: Wire, gate: Gate, running: Server, connect: Connect
) -> None:
    assert wire.ask("CONFIG SET notify-keyspace-events KEd") == OK
    listener = connect(running)
    listener.send(request("PSUBSCRIBE __key*@0__:*"))
    assert listener.reply().endswith(b":1\r\n")
    number = begin(wire, "MODELRUN gate INPUTS k OUTPUTS y => MODELRUN m INPUTS y OUTPUTS z")
    listener.send(request("SUBSCRIBE", b"__aidag@0__:" + number))
    assert listener.reply().endswith(b":2\r\n")
    gate.may_end.set()
    heard = [listener.reply().split(b"\r\n") for _ in range(5)]
    events = [
        (b"__keyspace@0__:y", b"tensorset"),
        (b"__keyevent@0__:tensorset", b"y"),
        (b"__keyspace@0__:z", b"tensorset"),
        (b"__keyevent@0__:tensorset", b"z"),
        (b"__aidag@0__:" + number, b"done"),
    ]
    assert [(words[-4], words[-2]) for words in heard] == events


def test_info_counts_them_and_what_waits_for_a_batch(wire: Wire, gate: Gate, running: Server) -> None:
    assert wire.ask("AI.MODELSTORE m ONNX CPU BATCHSIZE 9 MINBATCHSIZE 2 BLOB m") == OK
    begin(wire, "MODELRUN gate INPUTS k OUTPUTS y")
    assert gate.begun.wait(PATIENCE)
    begin(wire, "KEEP 0 TENSORGET k")
    gate.may_end.set()
    begin(wire, "MODELRUN m INPUTS k OUTPUTS z")
    while b"asynchronous_unfinished:1" not in (info := wire.ask("INFO runs")):
        pass
    assert info.endswith(
        b"# Runs\r\noperations_waiting_for_a_batch:1\r\nasynchronous_unfinished:1\r\n"
        b"asynchronous_remembered:2\r\n\r\n"
    )


class Full(MemoryKeyspace):
    """A keyspace that keeps nothing of what is written to it."""

    pending = True

    def settle(self) -> None:
        raise StoreUnavailableError("the keyspace", "the disk is full")


def test_a_run_whose_keys_are_not_kept_has_failed(connect: Connect) -> None:
    with background(Server(port=0, keyspace=Full())) as server:
        loop, services = server._services.devices.loop, server._services
        ended = Future[Record]()
        words = b"AI.DAGRUNASYNC TENSORSET y INT8 1".split()

        def begin() -> None:
            number = services.background.submit(services.plans.bind(words, services.keyspace))
            record = services.background.find(number)
            assert not record.cancel()  # it is too late for that
            services.background.listeners.append(lambda *_: ended.set_result(record))

        loop.call_soon_threadsafe(begin)
        record = ended.result(PATIENCE)
    assert record.state == "failed"
    assert isinstance(record.replies, list)
    assert record.replies[0] == "OK"
    assert str(record.replies[1]).startswith("MISCONF ")


# ------------------------------------------------------------------------------------- cancelling


def test_cancelling_ends_at_once_what_runs_and_stores_nothing(
    wire: Wire, gate: Gate, running: Server, connect: Connect
) -> None:
    number = begin(
        wire,
        "MODELRUN m INPUTS k OUTPUTS a => MODELRUN gate INPUTS a OUTPUTS b => MODELRUN m INPUTS b OUTPUTS c "
        "=> TENSORGET a VALUES => TENSORGET b => TENSORSET d INT8 1",
    )
    assert gate.begun.wait(PATIENCE)
    waiting = connect(running)
    waiting.send(request("AI.DAGSTATUS", number, "WAIT", 0, "NOREPLIES"))
    assert wire.ask("PING") == b"+PONG\r\n"
    assert wire.ask("AI.DAGCANCEL", number) == b":1\r\n"
    assert b"+cancelled\r\n" in waiting.reply()
    found = status(wire, number)
    assert found["opstates"] == simple("ok", "skipped", "skipped", "ok", "skipped", "ok")
    assert found["replies"] == b"*6\r\n+OK\r\n+NA\r\n+NA\r\n*1\r\n:7\r\n+NA\r\n+OK\r\n"
    gate.may_end.set()
    assert wire.ask("AI.MODELRUN m INPUTS k OUTPUTS after") == OK  # behind it in the queue
    assert status(wire, number) == found
    assert wire.ask("EXISTS a b c d after") == b":1\r\n"
    assert wire.ask("AI.DAGCANCEL", number) == b":0\r\n"
    assert b"+cancelled" in status(wire, number)["state"]


def test_cancelling_what_has_ended_changes_nothing(wire: Wire) -> None:
    number = begin(wire, "TENSORSET y INT8 1")
    assert wire.ask("AI.DAGCANCEL", number) == b":0\r\n"
    assert b"+done" in status(wire, number)["state"]


def test_cancelling_what_waits_in_a_queue(wire: Wire, gate: Gate) -> None:
    begin(wire, "MODELRUN gate INPUTS k OUTPUTS y")
    assert gate.begun.wait(PATIENCE)
    number = begin(wire, "MODELRUN gate INPUTS k OUTPUTS z")
    assert wire.ask("AI.DAGCANCEL", number) == b":1\r\n"
    found = status(wire, number)
    assert (found["state"], found["queued_ms"], found["run_ms"]) == (b"+cancelled\r\n", b":0\r\n", b":0\r\n")
    gate.may_end.set()
    assert wire.ask("AI.MODELRUN m INPUTS k OUTPUTS after") == OK
    assert wire.ask("EXISTS y z") == b":1\r\n"


def test_a_model_that_can_stop_is_asked_to(start: Start, connect: Connect, controlled: Controlled) -> None:
    gate = Gate()

    def until_asked(stop: Stop | None) -> None:
        assert stop is not None
        stop.watch(gate.may_end.set)

    controlled.stops["endless"] = until_asked
    server = start(endless=gate, m=Log())
    wire = connect(server)
    seen: list[object] = []
    server._services.stats.listeners.append(lambda key, *_: seen.append(key))
    tensor(wire, "k", 1)
    number = begin(wire, "MODELRUN endless INPUTS k OUTPUTS y")
    assert gate.begun.wait(PATIENCE)
    assert wire.ask("AI.DAGCANCEL", number) == b":1\r\n"
    assert wire.ask("AI.MODELRUN m INPUTS k OUTPUTS after") == OK
    assert wire.ask("EXISTS y") == b":0\r\n"


def test_a_real_run_without_end_is_ended(server: Server, connect: Connect) -> None:
    server.deploy("endless", endless())
    server.deploy("mul", MUL)
    wire, other = connect(server), connect(server)
    assert wire.ask("AI.TENSORSET x FLOAT VALUES 1") == OK
    number = begin(wire, "MODELRUN endless INPUTS x OUTPUTS y")
    assert wire.ask("AI.DAGCANCEL", number) == b":1\r\n"
    other.send(request("AI.MODELRUN endless INPUTS x OUTPUTS y"))
    while b"blocked_clients:1" not in wire.ask("INFO clients"):
        pass
    other.close()
    assert wire.ask("AI.MODELRUN mul INPUTS x x OUTPUTS z") == OK  # the queue is free again, twice
    assert wire.ask("EXISTS y z") == b":1\r\n"
    assert wire.ask("AI.INFO endless").endswith(b"calls\r\n:0\r\n$6\r\nerrors\r\n:0\r\n")


def test_a_client_that_goes_away_stops_what_runs_for_it(
    start: Start, connect: Connect, controlled: Controlled
) -> None:
    gate = Gate()

    def until_asked(stop: Stop | None) -> None:
        assert stop is not None
        stop.watch(gate.may_end.set)

    controlled.stops["endless"] = until_asked
    server = start(endless=gate, m=Log())
    wire, other = connect(server), connect(server)
    tensor(wire, "k", 1)
    other.send(request("AI.MODELRUN endless INPUTS k OUTPUTS y"))
    assert gate.begun.wait(PATIENCE)
    other.close()
    assert wire.ask("AI.MODELRUN m INPUTS k OUTPUTS after") == OK
    assert wire.ask("EXISTS y") == b":0\r\n"


def test_of_a_batch_only_the_last_that_is_not_wanted_stops_the_run(
    start: Start, connect: Connect, controlled: Controlled
) -> None:
    gate, stops = Gate(), list[Stop]()
    controlled.stops["m"] = lambda stop: stops.append(stop) if stop else None
    server = start(m=gate)
    wire = connect(server)
    assert wire.ask("AI.MODELSTORE m ONNX CPU BATCHSIZE 9 MINBATCHSIZE 2 BLOB m") == OK
    tensor(wire, "k", 1)
    first, second = [begin(wire, "MODELRUN m INPUTS k OUTPUTS y") for _ in "ab"]
    assert gate.begun.wait(PATIENCE)
    asked = []
    for number in (first, second):
        assert wire.ask("AI.DAGCANCEL", number) == b":1\r\n"
        asked.append(stops[0].asked)
    gate.may_end.set()
    assert asked == [False, True]


def test_all_that_a_cancelled_run_held_is_freed_at_once(
    start: Start, connect: Connect, controlled: Controlled
) -> None:
    gate, arrays = Gate(), list[weakref.ref[NDArray[Any]]]()

    def make(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        array = np.zeros(1000, "u1")
        arrays.append(weakref.ref(array))
        return (Tensor.of(array),)

    controlled.add("pair", lambda inputs: (inputs[0],), inputs=2)
    server = start(make=make, gate=gate)
    server.deploy("pair", b"pair")
    wire = connect(server)
    tensor(wire, "k", 1)
    gc.disable()  # nothing may depend on it
    try:
        number = begin(
            wire,
            "MODELRUN make INPUTS k OUTPUTS ~a~ => MODELRUN gate INPUTS k OUTPUTS ~b~ "
            "=> MODELRUN pair INPUTS ~a~ ~b~ OUTPUTS ~c~",
        )
        while b"+ok" not in status(wire, number)["opstates"]:
            pass
        assert arrays[0]() is not None
        assert wire.ask("AI.DAGCANCEL", number) == b":1\r\n"
        assert wire.ask("PING") == b"+PONG\r\n"  # the server's loop has made another turn
        assert arrays[0]() is None
    finally:
        gate.may_end.set()
        gc.enable()


# ----------------------------------------------------------------------------------------- limits


def test_records_go_when_their_time_is_over(wire: Wire, clock: Clock) -> None:
    short = begin(wire, "KEEP 1000 TENSORGET k")
    usual = begin(wire, "TENSORGET k")
    long = begin(wire, "KEEP 0 TENSORGET k")
    clock.advance(0.999)
    assert wire.ask("AI.DAGSTATUS", short).startswith(b"*18")
    clock.advance(0.001)
    assert wire.ask("AI.DAGSTATUS", short) == NONE
    assert wire.ask("AI.DAGCANCEL", short) == NONE
    clock.advance(58.998)
    assert wire.ask("AI.DAGSTATUS", usual).startswith(b"*18")
    clock.advance(0.002)
    assert wire.ask("AI.DAGSTATUS", usual) == NONE
    clock.advance(1e9)
    assert wire.ask("AI.DAGLIST") == b"*1\r\n*2\r\n" + bulk(long) + b"+done\r\n"


def test_no_number_of_milliseconds_is_too_large(wire: Wire, gate: Gate) -> None:
    most = (1 << 63) - 1
    number = begin(wire, f"KEEP {most} TIMEOUT {most} MODELRUN gate INPUTS k OUTPUTS y")
    assert (
        wire.ask(f"AI.MODELSTORE m ONNX CPU BATCHSIZE 9 MINBATCHSIZE 2 MINBATCHTIMEOUT {most} BLOB m") == OK
    )
    other = begin(wire, f"TIMEOUT {most} MODELRUN m INPUTS k OUTPUTS z")
    wire.send(request("AI.DAGSTATUS", number, "WAIT", most, "NOREPLIES"))
    gate.may_end.set()
    assert b"+done" in wire.reply()
    assert wire.ask("AI.DAGCANCEL", other) == b":1\r\n"


def test_what_is_forgotten_is_not_kept_by_an_alarm(start: Start, connect: Connect) -> None:
    config = Config()
    config.dag_records_max = 1
    server = start(config=config)
    wire = connect(server)
    records = []
    for _ in range(3):
        number = begin(wire, "TENSORSET y UINT8 1")
        records.append(weakref.ref(server._services.background.find(number)))
    gc.collect()
    assert [record() is not None for record in records] == [False, False, True]


def test_a_record_goes_by_itself(start: Start, connect: Connect) -> None:
    server = start(clock=SYSTEM)
    wire = connect(server)
    begin(wire, "KEEP 1 TENSORSET y INT8 1")
    while server._services.background._records:
        assert wire.ask("PING") == b"+PONG\r\n"


@pytest.fixture
def limited(start: Start, gate: Gate, connect: Connect) -> Wire:
    config = Config()
    config.dag_async_max, config.dag_records_max = 2, 3
    wire = connect(start(config=config, gate=gate))
    tensor(wire, "k", 1)
    return wire


def test_only_so_many_may_be_unfinished(limited: Wire, gate: Gate) -> None:
    run = "MODELRUN gate INPUTS k OUTPUTS y"
    number = begin(limited, run)
    assert limited.ask("AI.DAGRUNASYNC NOID " + run) == OK
    why = b"-ERR too many unfinished asynchronous DAGs\r\n"
    assert limited.ask("AI.DAGRUNASYNC " + run) == why
    assert limited.ask("AI.DAGRUNASYNC NOID " + run) == why
    assert limited.ask("AI.DAGCANCEL", number) == b":1\r\n"
    number = begin(limited, run)
    gate.may_end.set()
    assert b"+done" in status(limited, number, "WAIT", "0")["state"]


def test_of_the_finished_the_oldest_are_forgotten(limited: Wire, gate: Gate) -> None:
    running = begin(limited, "MODELRUN gate INPUTS k OUTPUTS y")
    ended = [begin(limited, "KEEP 0 TENSORGET k") for _ in range(5)]
    shown = b"".join(b"*2\r\n" + bulk(number) + b"+done\r\n" for number in ended[2:])
    assert limited.ask("AI.DAGLIST STATE DONE") == b"*3\r\n" + shown
    assert limited.ask("AI.DAGLIST state running") == b"*1\r\n*2\r\n" + bulk(running) + b"+running\r\n"
    assert limited.ask("AI.DAGSTATUS", ended[1]) == NONE
    gate.may_end.set()


def test_a_server_that_stops_closes_them_and_so_answers_who_waits(
    start: Start, gate: Gate, connect: Connect, running: Server
) -> None:
    wire, other = connect(running), connect(running)
    tensor(wire, "k", 7)
    number = begin(wire, "MODELRUN gate INPUTS k OUTPUTS y")
    other.send(request("AI.DAGSTATUS", number, "WAIT", 0, "NOREPLIES"))
    assert wire.ask("PING") == b"+PONG\r\n"
    loop = running._services.devices.loop
    loop.call_soon_threadsafe(running._services.background.close)
    assert b"+cancelled" in other.reply()
    gate.may_end.set()
