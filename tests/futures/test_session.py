"""One engine by default, made at its first use; another inside `with`."""

import logging
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import alula
from alula._core._settings import Settings
from alula.errors import SettingError
from alula.futures import _session, current, get, open_engine, put, remote, using


@pytest.fixture(autouse=True)
def none() -> Iterator[None]:
    alula.shutdown()
    yield
    alula.shutdown()


def test_the_first_call_starts_the_default_engine() -> None:
    assert not alula.is_initialized()
    assert get(remote(lambda: 1).remote()) == 1
    assert alula.is_initialized()


def test_threads_that_come_first_together_start_one_engine() -> None:
    engines: list[Any] = []
    threads = [threading.Thread(target=lambda: engines.append(current())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, engines))) == 1


def test_a_second_init_is_refused_unless_it_asks_for_the_same() -> None:
    alula.init(num_cpus=1)
    with pytest.raises(RuntimeError, match="shutdown"):
        alula.init()
    alula.init(ignore_reinit_error=True)
    alula.init(num_cpus=1, ignore_reinit_error=True)
    with pytest.raises(RuntimeError, match=r"num_cpus=1, not 2"):
        alula.init(num_cpus=2, ignore_reinit_error=True)


def test_shutdown_may_be_called_again_and_init_after_it() -> None:
    for cores in (1, 2):
        alula.init(num_cpus=cores)
        assert alula.cluster_resources()["CPU"] == cores
        alula.shutdown()
        alula.shutdown()
        assert not alula.is_initialized()


@pytest.mark.parametrize("engine", ["embedded", "ray"])
def test_the_level_of_the_logger_is_that_of_workers_too(
    request: pytest.FixtureRequest, engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    if engine == "ray":
        request.getfixturevalue("ray_is_installed")
    levels = remote(
        lambda: [logging.getLogger(f"alula{part}").getEffectiveLevel() for part in ("", ".futures")]
    )
    with caplog.at_level(logging.INFO, "alula"):  # which sets it back in the end
        alula.init(engine=engine, num_cpus=1, logging_level="error")
        assert logging.getLogger("alula").level == logging.ERROR
        assert get(levels.remote()) == [logging.ERROR] * 2
        alula.shutdown()
        alula.init(engine=engine, num_cpus=1, runtime_env={"env_vars": {"A": "b"}}, logging_level=7)
        assert get(levels.remote()) == [7, 7]
        assert get(remote(lambda: os.environ["A"]).remote()) == "b"


@pytest.mark.parametrize(
    ("address", "error"),
    [("auto", ConnectionError), ("10.0.0.1:6379", SettingError), ("ray://a:1", SettingError)],
)
def test_the_embedded_engine_has_nothing_to_join(address: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="engine='ray'"):
        alula.init(address)
    assert not alula.is_initialized()
    alula.init("local", num_cpus=1)


@pytest.mark.parametrize("given", [{"engine": "cloud"}, {"num_cpus": 0}, {"num_cpus": "many"}], ids=str)
def test_a_setting_that_cannot_be_used_starts_nothing(given: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(given))):
        alula.init(**given)
    assert not alula.is_initialized()


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALULA_NUM_CPUS", "1")
    alula.init()
    assert alula.cluster_resources()["CPU"] == 1


def test_another_engine_may_be_used_inside_a_block() -> None:
    default = current()
    other = open_engine(Settings.load(num_cpus=1))
    with using(other) as used:
        assert current() is used is other
        ref = put(1)
        seen: list[Any] = []
        thread = threading.Thread(target=lambda: seen.append(current()))
        thread.start()
        thread.join()
        assert seen == [default]  # a new thread sees no override
    assert current() is default
    assert get(ref) == 1  # a reference knows its engine
    other.close()
    assert alula.is_initialized()


def test_a_worker_has_its_engine_before_any_task() -> None:
    assert get(remote(lambda: alula.is_initialized()).remote())
    assert get(remote(lambda: type(_session.current()).__name__).remote()) == "Worker"
