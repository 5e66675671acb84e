"""What Prometheus is told."""

import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from alula.errors import MissingExtraError, SettingError
from alula.server import Server, background, expose_loss
from alula.server._measures import Measures
from alula.server._metrics import Metrics
from tests.server.world import MUL, MUL_2, Connect, Wire


@pytest.fixture
def server() -> Iterator[Server]:
    with background(Server(port=0, metrics_port=0)) as running:
        running.deploy("mul", MUL)
        running.deploy("mul2", MUL_2)
        yield running


def ask(port: int | None, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=150) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def samples(server: Server) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    status, text = ask(server.metrics_port, "/metrics")
    assert status == 200
    found: Any = text_string_to_metric_families(text)
    return {(each.name, *each.labels.values()): each.value for family in found for each in family.samples}


def test_each_model_s_runs_are_told(server: Server, wire: Wire) -> None:
    for words in ("AI.TENSORSET x FLOAT 2", "AI.TENSORSET z FLOAT 3"):
        assert wire.ask(words) == b"+OK\r\n"
    for _ in range(3):
        wire.ask("AI.MODELEXECUTE mul INPUTS 2 x x OUTPUTS 1 y")
    assert wire.ask("AI.MODELEXECUTE mul2 INPUTS 2 z z OUTPUTS 1 y").startswith(b"-")
    told = samples(server)
    assert told["alula_model_calls_total", "mul", "MODEL"] == 3
    assert told["alula_model_errors_total", "mul", "MODEL"] == 0
    assert told["alula_model_errors_total", "mul2", "MODEL"] == 1
    for name in ("queue_seconds", "run_seconds", "batch_size"):
        assert told[f"alula_model_{name}_count", "mul", "MODEL"] == 3
        assert told[f"alula_model_{name}_bucket", "mul", "MODEL", "+Inf"] == 3
    assert told["alula_model_batch_size_sum", "mul", "MODEL"] == 3
    assert told["alula_model_run_seconds_sum", "mul", "MODEL"] > 0


def test_the_whole_is_told(server: Server, wire: Wire) -> None:
    assert wire.ask("AI.TENSORSET", "x", "UINT8", 1000, "BLOB", bytes(1000)) == b"+OK\r\n"
    told = samples(server)
    assert (told["alula_up",], told["alula_connected_clients",]) == (1, 1)
    assert told["alula_keys",] == 3
    assert told["alula_value_bytes",] > 1000
    assert told["alula_commands_total",] == 1
    assert told["alula_uptime_seconds",] > 0


def test_beyond_a_thousand_models_they_are_told_as_one() -> None:
    measures = Measures()
    for number in range(1005):
        measures(b"m%d" % number, "MODEL", 0.0, 0.1, 1, 1, failed=False)
    told = dict(measures.items())
    assert len(told) == 1001
    assert told["(others)", "MODEL"].calls == 5


def test_health_is_that_of_the_loop(server: Server) -> None:
    assert ask(server.metrics_port, "/healthz") == (200, "ok\n")
    assert ask(server.metrics_port, "/else")[0] == 404


def test_a_server_that_does_not_answer_is_not_well() -> None:
    metrics = Metrics("127.0.0.1", 0, write=lambda: b"", trouble=lambda: "it sleeps")
    assert ask(metrics.port, "/healthz") == (503, "it sleeps\n")
    metrics.close()


def test_a_server_that_is_gone_is_told_of_where_it_was() -> None:
    metrics = expose_loss("127.0.0.1", 0, "it is gone")
    assert ask(metrics.port, "/healthz") == (503, "it is gone\n")
    assert "\nalula_up 0.0\n" in ask(metrics.port, "/metrics")[1]
    metrics.close()


def test_a_port_that_is_taken_is_one_clear_error_and_nothing_stays_open(server: Server) -> None:
    with (
        pytest.raises(SettingError, match=r"'metrics_port' = \d+ .* cannot listen"),
        background(Server(port=0, metrics_port=server.metrics_port)),
    ):
        pass


def test_the_port_goes_with_the_server(connect: Connect) -> None:
    with background(Server(port=0, metrics_port=0)) as server:
        port = server.metrics_port
    with pytest.raises(OSError, match="refused"):
        ask(port, "/healthz")


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with (
        pytest.raises(MissingExtraError, match=r"alula\[serve\]"),
        background(Server(port=0, metrics_port=0)),
    ):
        pass
