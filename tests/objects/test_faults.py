"""Whatever dies or fills up on the way: each object is as it was, or as it was to be."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alula._core._settings import Settings
from alula.objects import Catalogs

Look = Callable[[], set[str]]
Spawn = Callable[..., Any]

KILLED = """
    import os, signal
    from alula._core._gates import arm
    arm(sys.argv[2], lambda: os.kill(os.getpid(), signal.SIGKILL))
"""


def killed(spawn: Spawn, gate: str, code: str) -> None:
    """Run code in a process that dies at a gate."""
    child = spawn(KILLED + f"    {code}\n", gate)
    assert child.wait(150) == -signal.SIGKILL


def test_a_disk_that_is_full_leaves_the_old_version(
    catalogs: Catalogs, spawn: Spawn, artifacts: Look, settings: Settings
) -> None:
    """No file may grow beyond 4 MB in the process that puts 8 MB; the system says so as of a full disk."""
    catalogs.datasets.put([{"a": 1}], "d", as_raw=True)
    before = artifacts()
    code = """
        import resource, signal
        from alula.errors import StoreUnavailableError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 22, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        try:
            datasets.put([{"a": "x" * (1 << 23)}], "d", as_raw=True, replace=True)
        except StoreUnavailableError as error:
            print(error)
    """
    output, errors = spawn(code).communicate(timeout=150)
    assert "File too large" in output, errors
    assert catalogs.datasets.get("d", force_python=True) == [{"a": 1}]
    assert artifacts() == before
    assert not [*(Path(settings.artifacts) / "objects" / "drafts").iterdir()]
    assert catalogs.datasets.put([{"a": 2}], "d", as_raw=True).version == 2


def test_what_a_dead_process_has_left_is_swept_away_when_it_is_old(
    catalogs: Catalogs, spawn: Spawn, artifacts: Look
) -> None:
    catalogs.datasets.put([1], "d")
    catalogs.deployments.put("key", b"onnx")
    before = artifacts()
    killed(spawn, "store.before_commit", "datasets.put([2], 'd')")
    assert len(artifacts()) == 3
    assert catalogs.sweep() == 0
    assert catalogs.sweep(older_than=-1) == 1
    assert artifacts() == before


@pytest.mark.parametrize(("gate", "gone"), [("store.before_commit", False), ("store.committed", True)])
def test_a_version_is_dropped_whole_or_not_at_all(
    catalogs: Catalogs, spawn: Spawn, artifacts: Look, gate: str, gone: bool
) -> None:
    for n in (1, 2):
        catalogs.datasets.put([n], "d")
    killed(spawn, gate, "datasets.drop('d@v2')")
    assert [each.version for each in catalogs.datasets.versions("d")] == ([1] if gone else [1, 2])
    assert catalogs.datasets.get("d") == ([1] if gone else [2])
    assert catalogs.datasets.put([3], "d").version == 3
    catalogs.datasets.drop("d@v1")  # whoever sweeps next takes along what the dead process has left
    assert len(artifacts()) == (1 if gone else 2)


@pytest.mark.parametrize(
    ("gate", "arrives"),
    [("artifacts.written", False), ("store.before_commit", False), ("store.committed", True)],
)
def test_an_archive_arrives_whole_or_not_at_all(
    catalogs: Catalogs, spawn: Spawn, tmp_path: Path, gate: str, arrives: bool
) -> None:
    catalogs.models.put({"w": [1]}, "m", kind="python.model")
    path = catalogs.models.to_archive("m", tmp_path / "m.zip")
    catalogs.models.drop("m")
    killed(spawn, gate, f"models.from_archive({str(path)!r}, 'n')")
    assert catalogs.models.get("n") == ({"w": [1]} if arrives else None)
    assert catalogs.models.from_archive(path, "n").version == (2 if arrives else 1)


@pytest.mark.parametrize(("gate", "arrives"), [("store.before_commit", False), ("store.committed", True)])
def test_what_is_saved_is_saved_whole_or_not_at_all(
    catalogs: Catalogs, spawn: Spawn, gate: str, arrives: bool
) -> None:
    catalogs.models.put({"w": [1]}, "m", kind="python.model", attributes={"a": 1})
    killed(spawn, gate, "models.make_metadata('m', attributes={'b': 2}).save(version=True, tag='t')")
    found = catalogs.models.resolve("m")
    assert (found.version, found.tags) == ((2, ("t",)) if arrives else (1, ()))
    assert found.attributes == ({"a": 1, "b": 2} if arrives else {"a": 1})
    assert catalogs.models.get("m") == {"w": [1]}


def test_two_processes_that_put_a_model_at_once_make_two_versions(catalogs: Catalogs, spawn: Spawn) -> None:
    code = """
        sys.stdin.read(1)
        made = models.put([sys.argv[2]] * 1000, "m", kind="python.model")
        print(made.version, made.commit)
    """
    children = [spawn(code, who) for who in "ab"]
    for child in children:
        child.stdin.write("!")
        child.stdin.flush()
    said = [child.communicate(timeout=150)[0].split() for child in children]
    assert sorted(version for version, _ in said) == ["1", "2"]
    for who, (_, commit) in zip("ab", said, strict=True):
        assert catalogs.models.get(f"m@{commit}") == [who] * 1000
    first, second = catalogs.models.versions("m")
    assert (first.kind_meta["parent"], second.kind_meta["parent"]) == (None, first.commit)
