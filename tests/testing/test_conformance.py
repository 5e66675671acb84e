"""The suite itself: nothing of it gets lost, and it can be had without what only it needs."""

import inspect
import subprocess
import sys
from collections import Counter
from pathlib import Path

from alula.testing import conformance
from alula.testing.conformance import EngineConformance
from alula.testing.conformance._part import Notes, Part, ended

MINE = """
import alula, pytest
from alula.testing.conformance import EngineConformance

@pytest.fixture(scope="module")
def engine():
    alula.init(num_cpus=1)
    yield object()
    alula.shutdown()

class TestMine(EngineConformance):
    pass
"""


def cases(part: type) -> list[str]:
    return [name for name in vars(part) if name.startswith("test_")]


def test_no_test_is_hidden_by_another_of_its_name() -> None:
    names = Counter(name for part in EngineConformance.__mro__ for name in cases(part))
    assert [name for name, count in names.items() if count > 1] == []
    assert len(names) > 150


def test_every_part_is_in_it() -> None:
    modules = [module for module in vars(conformance).values() if inspect.ismodule(module)]
    classes = {part for module in modules for part in vars(module).values() if inspect.isclass(part)}
    parts = {part for part in classes if issubclass(part, Part) and cases(part)}
    assert parts == {part for part in EngineConformance.__mro__ if cases(part)}


def test_the_kit_needs_no_pytest() -> None:
    code = "import sys; sys.modules['pytest'] = None; import alula.testing; alula.testing.Clock()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_engine_that_is_not_the_default_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(MINE)
    command = [sys.executable, "-m", "pytest", "-k", "test_a_value_is_a_copy", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "must be the default engine of this process" in done.stdout
    assert "1 error" in done.stdout


def test_notes_of_several_processes_are_lines_of_one_file(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes")
    assert [notes.add("one"), Notes(tmp_path / "notes").add("two")] == [1, 2]
    assert notes.lines == ["one", "two"]


def test_whether_a_process_has_ended_is_known() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert not ended(process.pid, timeout=0)
    assert process.stdin is not None
    process.stdin.close()
    assert ended(process.pid)
    process.wait()
    assert ended(process.pid)
