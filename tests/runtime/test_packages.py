"""Packages of scripts: installed once, whole, and each version beside the others."""

import subprocess
import sys
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest

import alula as om
from alula._core._settings import Settings
from alula.errors import InstallError
from alula.runtime._packages import import_script, installed
from alula.runtime._script_calls import entry_of
from tests.faults.processes import TREE


@dataclass(frozen=True)
class Script:
    """A package as the store gives it."""

    digest: str
    archive: bytes
    module: str
    root: str = ""
    project: bool = False


@dataclass(frozen=True)
class Fetched:
    """A package that is elsewhere."""

    spec: str
    module: str

    @property
    def pip(self) -> str:
        return self.spec


def packed(module: str, number: int, *, project: bool = False, setup: str = "") -> Script:
    code = f"from .part import NUMBER\ndef run(om, *args):\n    return NUMBER, args\nMARK = {number}\n"
    files = {f"{module}/__init__.py": code, f"{module}/part.py": f"NUMBER = {number}\n"}
    if project:
        files["setup.py"] = setup or (
            "from setuptools import setup\n"
            f"setup(name='{module}', version='{number}', packages=['{module}'])\n"
        )
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    data = sink.getvalue()
    return Script(sha256(data).hexdigest(), data, module, project=project)


def test_each_version_is_installed_beside_the_others_and_the_one_asked_for_is_imported(home: Path) -> None:
    settings = Settings.load()
    for number in (1, 2, 1):
        entry = entry_of(packed("sample", number), "sample", settings)
        assert entry(None, "x") == (number, ("x",))
    folders = [path for path in (home / "env").iterdir() if path.is_dir()]
    assert len(folders) == 2


def test_what_is_installed_is_not_installed_again(home: Path) -> None:
    script = packed("once", 1)
    folder = installed(script, Settings.load())
    (folder / "marked").touch()
    assert (installed(script, Settings.load()) / "marked").exists()


def test_a_project_is_installed_by_pip(home: Path) -> None:
    pytest.importorskip("setuptools")
    script = packed("built", 3, project=True)
    assert import_script(script, Settings.load()).MARK == 3
    assert [*installed(script, Settings.load()).glob("built-3*.dist-info")] != []


def test_a_project_that_pip_cannot_install_says_why_and_leaves_nothing(home: Path) -> None:
    pytest.importorskip("setuptools")
    script = packed("broken", 1, project=True, setup="raise SystemExit('this cannot be built')")
    with pytest.raises(InstallError, match="this cannot be built"):
        installed(script, Settings.load())
    assert [path for path in (home / "env").iterdir() if path.is_dir() and path.suffix != ".making"] == []


def test_a_package_that_cannot_be_fetched_says_so(home: Path) -> None:
    with pytest.raises(InstallError, match="cannot be installed"):
        installed(Fetched("nothing-of-this-name @ file:///nowhere", "nothing"), Settings.load())


CODE = """
import sys
from alula._core._settings import Settings
from alula.runtime._packages import installed
from tests.runtime.test_packages import packed
print(installed(packed("killed", 1), Settings.load()), flush=True)
"""


def test_an_installation_that_is_killed_leaves_the_next_one_to_begin_anew(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", TREE)
    with monkeypatch.context() as patch:
        patch.setenv("ALULA_FAULTS", "environment.made=kill@1")
        assert subprocess.run([sys.executable, "-c", CODE], check=False).returncode == -9
    assert not any(path.is_dir() and not path.name.startswith(".") for path in (home / "env").iterdir())
    children = [
        subprocess.Popen([sys.executable, "-c", CODE], text=True, stdout=subprocess.PIPE) for _ in range(2)
    ]
    said = {child.communicate()[0].strip() for child in children}  # side by side, and one of them installs
    [folder] = said
    assert (Path(folder) / "killed" / "__init__.py").exists()
    assert not list((home / "env").glob("*.making"))


@pytest.mark.usefixtures("engine")
def test_a_package_is_run_by_name_and_the_new_one_after_it_was_put_again(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for number in (1, 2):
        (folder / "mine.py").write_text(
            f"def run(om, *args, more=0):\n    return {number} + sum(args) + more\n"
        )
        om.scripts.put(f"pkg://{folder}", "mine")
        assert om.runtime.script("mine").run(10, more=100).get() == 110 + number
