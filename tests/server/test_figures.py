"""A look at a server from outside: what it has, what that does, and what took long."""

import numpy as np
import pytest

from alula.errors import SettingError, StoreUnavailableError
from alula.server import Client, Config, Inspector, Server, Spread, background, listening
from tests.server.redis_server import RedisServer
from tests.server.world import Gate, Start, Wire


def url(server: Server, password: str = "") -> str:
    return f"redis://{password and f':{password}@'}127.0.0.1:{server.port}"


def test_a_look_tells_of_models_and_how_they_run(models: Server) -> None:
    inspector = Inspector(url(models))
    before = inspector.figures()
    assert (before.total, [each.key for each in before.models]) == (4, ["mul", "mul2", "split", "sum"])
    assert before.models[0].run.count == 0
    with Client(url(models)) as client:
        client.tensorset("x", np.ones((3, 2), "f4"))
        for _ in range(4):
            client.modelexecute("mul", ["x", "x"], ["y"])
    mul = inspector.figures(models=1).models[0]
    assert (mul.calls, mul.errors, mul.samples, mul.backend, mul.device) == (4, 0, 12, "ONNX", "CPU")
    assert (mul.run.count, mul.batch.bins) == (4, ((1.0, 4),))
    assert mul.seconds > 0
    assert (mul.run.quantile(0.5) or 0) > 0
    assert mul.since == before.models[0].since


def test_a_look_tells_of_the_whole(models: Server) -> None:
    found = Inspector(url(models)).figures(models=2)
    assert (len(found.models), found.total, found.keys, found.runs, found.slow) == (2, 4, 4, (), ())
    assert found.uptime >= 0
    assert found.memory > 0
    assert found.clients >= 1


def test_runs_in_the_background_are_told_and_cancelled(start: Start) -> None:
    gate = Gate()
    server = start(m=gate)
    inspector = Inspector(url(server))
    with Client(url(server)) as client:
        run = client.dag().tensorset("~x~", np.ones(1, "f4")).modelexecute("m", ["~x~"], ["y"]).submit()
        found = inspector.figures()
        assert ([each.id for each in found.runs], found.unfinished) == ([run.id], 1)
        assert found.runs[0].ops == 2
        assert inspector.cancel(run.id)
        assert not inspector.cancel(run.id)
        assert not inspector.cancel("1-1")
        assert inspector.figures().runs == ()
        gate.may_end.set()


def test_what_took_long_is_told(wire: Wire, server: Server) -> None:
    wire.ask("CONFIG SET slowlog-log-slower-than 0")
    wire.ask("SET", "a", "some text")
    slow = Inspector(url(server)).figures().slow
    assert ("SET", "a", "some text") in [each.words for each in slow]
    assert all(each.seconds >= 0 and each.at > 0 for each in slow)


def test_a_password_is_given_and_never_told() -> None:
    with background(Server(port=0, password="open")) as server:
        assert Inspector(url(server, "open")).figures().total == 0
        assert "open" not in Inspector(url(server, "open")).address
        for password in ("", "wrong"):
            with pytest.raises(StoreUnavailableError) as refused:
                Inspector(url(server, password)).figures()
            assert "wrong" not in str(refused.value)


def test_who_does_not_answer_is_not_waited_for() -> None:
    with pytest.raises(StoreUnavailableError):
        Inspector("redis://127.0.0.1:1").figures()
    [silent] = listening(Config(bind="127.0.0.1", port=0))
    with silent, pytest.raises(StoreUnavailableError, match=r"[Tt]imeout"):
        Inspector(f"redis://127.0.0.1:{silent.getsockname()[1]}", timeout=0.05).figures()
    with pytest.raises(SettingError):
        Inspector("nonsense").figures()


def test_a_redis_without_models_is_looked_at_as_well(shared_redis: RedisServer) -> None:
    found = Inspector(shared_redis.url).figures()
    assert (found.models, found.runs, found.total) == ((), (), 0)
    assert found.clients >= 1


def test_quantiles_are_bounds_of_bins() -> None:
    spread = Spread(((0.1, 90), (0.5, 9), (float("inf"), 1)))
    assert [spread.quantile(share) for share in (0.5, 0.9, 0.95, 1)] == [0.1, 0.1, 0.5, float("inf")]
    assert Spread().quantile(0.5) is None


def test_latencies_are_counted_from_the_first_time_that_somebody_asks(wire: Wire, models: Server) -> None:
    wire.ask("AI.TENSORSET x FLOAT 1")
    run = "AI.MODELEXECUTE mul INPUTS 2 x x OUTPUTS 1 y"
    assert wire.ask(run) == b"+OK\r\n"
    assert b"inf" not in wire.ask("AI.INFO mul HISTOGRAMS")
    assert wire.ask(run) == b"+OK\r\n"
    assert wire.ask("AI.INFO mul histograms").endswith(b"$5\r\nbatch\r\n*2\r\n$3\r\n1.0\r\n:1\r\n")
