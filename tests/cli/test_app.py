import json
import os
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from alula.cli._doctor import group


def alula(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alula", *arguments],
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def test_the_version_is_printed() -> None:
    done = alula("--version")
    assert (done.returncode, done.stdout) == (0, f"alula {version('alula')}\n")


def test_d_to_declare_all_commands_loads_nothing_heavy() -> None:
    """So `alula --version` takes as long as its terminal library: far less than 0.3 s."""
    code = "import alula.cli, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"asyncio", "fastapi", "numpy", "pandas", "sklearn", "sqlalchemy", "uvicorn"}
    assert not heavy & {*done.stdout.split()}


def test_a_misspelt_command_is_refused_with_the_nearest_one() -> None:
    done = alula("serv")
    assert done.returncode == 2
    assert "serve" in done.stderr


def test_a_busy_port_is_one_paragraph_and_a_status(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = alula("serve", "--port", str(port), "--home", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"alula: setting 'port' = {port}")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_home_that_cannot_be_written_is_one_paragraph_and_a_status(command: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = alula(command, "--home", str(file / "home"))
    assert done.returncode == 1
    assert str(file) in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_says_what_there_is(tmp_path: Path) -> None:
    done = alula("doctor", "--json", ALULA_HOME=str(tmp_path))
    findings = {finding["what"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert done.returncode == 0
    assert findings["core"]["state"] == "ok"
    assert "sqlalchemy" in findings["core"]["detail"]


def test_the_doctor_says_which_service_does_not_answer_and_where(tmp_path: Path) -> None:
    store = "postgresql://ada:secret@127.0.0.1:1/alula"
    services = {"ALULA_STORE": store, "ALULA_ENGINE": "ray", "ALULA_ADDRESS": "127.0.0.1:1"}
    done = alula("doctor", "--json", ALULA_HOME=str(tmp_path), **services)
    findings = {finding["what"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1
    for what in ("store", "engine"):
        assert findings[what]["state"] == "broken"
        assert "127.0.0.1:1" in findings[what]["detail"]
        assert findings[what]["remedy"]
    assert "secret" not in done.stdout


def test_the_doctor_makes_no_store_and_says_that_nobody_takes_work(tmp_path: Path) -> None:
    done = alula("doctor", "--json", ALULA_HOME=str(tmp_path))
    assert done.returncode == 0
    assert not (tmp_path / "alula.db").exists()
    assert alula("datasets", "list", ALULA_HOME=str(tmp_path)).returncode == 0
    done = alula("doctor", "--json", ALULA_HOME=str(tmp_path))
    findings = {finding["what"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert findings["store"]["state"] == findings["artifacts"]["state"] == "ok"
    assert findings["executors"]["remedy"] == "alula up, or alula worker"


def test_the_doctor_says_how_to_get_what_is_missing() -> None:
    found = group("torch", ["numpy", "a-package-that-nobody-has"])
    assert found.state == "missing"
    assert (found.detail, found.remedy) == ("without a-package-that-nobody-has", "pip install 'alula[torch]'")


def test_a_broken_home_is_a_status_of_the_doctor(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    done = alula("doctor", ALULA_HOME=str(file / "home"))
    assert done.returncode == 1
    assert "broken" in done.stdout
    assert "set ALULA_HOME" in done.stdout
