"""What all tests share: a home of their own, an engine, and hypothesis without its own idea of time."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, settings

import alula
from alula import workflow
from alula._core._settings import Settings
from alula.futures import Engine, current
from alula.testing import Turnstile
from alula.workflow import Executor
from tests.postgres import Postgres, running
from tests.s3 import S3, serving
from tests.workflow.bodies import Tally

Open: TypeAlias = Callable[..., Executor]

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # for the tests that use ONNX Runtime on their own

# Begun in the background of a shell, this process and those that it starts would be deaf to Ctrl-C; and
# begun by `nohup`, to the end of their terminal.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A machine that is busy with other work is no reason to fail. Examples are others each time.
settings.register_profile(
    "alula", deadline=None, max_examples=50, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("alula")


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads the settings, writes to the home, or is as wide as the terminal, of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("ALULA_")]:
            patch.delenv(name)
        patch.delenv("COLUMNS", raising=False)
        patch.setenv("ALULA_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def _ctrl_c_is_as_it_was() -> Iterator[None]:
    """Whatever a test does, the program that does it can be interrupted afterwards."""
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.fixture
def records(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Give the URL of an empty store; None is a file in the home, where nobody says otherwise."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield None
        return
    server = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest.fixture
def home(tmp_path: Path, records: str | None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the home of Alula for one test, and an empty store its store."""
    folder = tmp_path / "home"
    monkeypatch.setenv("ALULA_HOME", str(folder))
    if records is not None:
        monkeypatch.setenv("ALULA_STORE", records)
    return folder


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """A session of two cores for all tests of a module; a folder or a module may have another."""
    alula.init(num_cpus=2)
    yield current()
    alula.shutdown()


@pytest.fixture
def own_engine() -> Iterator[Engine]:
    """A session of two cores for one test, which may do to it what it likes."""
    alula.init(num_cpus=2)
    yield current()
    alula.shutdown()


@pytest.fixture
def turnstile(tmp_path: Path) -> Iterator[Turnstile]:
    """A turnstile in the folder of one test; the end of the test lets through whoever waits."""
    with Turnstile(tmp_path) as turnstile:
        yield turnstile


@pytest.fixture
def tally(tmp_path: Path) -> Tally:
    """Count what runs in a test, in whatever process."""
    return Tally(tmp_path / "tally")


@pytest.fixture
def executor(engine: Engine, home: Path) -> Iterator[None]:
    """The executor of this process is made anew for one test, and ends with it."""
    yield
    workflow.reset_default_executor()


@pytest.fixture
def open_executor(home: Path) -> Iterator[Open]:
    """Open executors on the store of the test, as other processes would have them; they end with it."""
    opened: list[Executor] = []

    def open_one(**options: Any) -> Executor:
        opened.append(Executor.open(Settings.load(), **options))
        return opened[-1]

    yield open_one
    for executor in opened:
        executor.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Run a Postgres server for the tests that need one."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """Run a server for S3 for the tests that need one."""
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def ray_is_installed() -> None:
    if find_spec("ray") is None:
        if os.environ.get("CI"):
            pytest.fail("Ray is not installed, and CI is set: pip install 'alula[ray]'")
        pytest.skip("Ray is not installed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much was tried by tests that count it."""
    tried: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, times in getattr(report, "user_properties", ()):
                if name.startswith("tried ") and report.when == "teardown":
                    tried[name] += times
    if tried:
        said = ", ".join(f"{times} {name.removeprefix('tried ')}" for name, times in tried.items())
        terminalreporter.write_line(f"tried {said}")
