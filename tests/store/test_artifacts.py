import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Any
from uuid import uuid4

import fsspec
import numpy as np
import pytest

from alula._core._seal import seal, unseal
from alula.errors import ArtifactNotFoundError, SealError, StoreUnavailableError
from alula.store import Artifacts
from tests.store.conftest import ON_A_FILE

KEY = b"key"


@pytest.fixture(params=["folder", "file-url", "full", "memory"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    match request.param:
        case "folder":
            return Artifacts.open(str(tmp_path / "artifacts"))
        case "file-url":
            return Artifacts.open(f"file://{tmp_path}/artifacts")
        case "full":
            return Artifacts.open(str(tmp_path / "artifacts"), durability="full")
    return Artifacts.open(f"memory://{uuid4()}")


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_put_is_got_by_its_digest(artifacts: Artifacts) -> None:
    sealed = seal({"weights": np.arange(1000.0)}, key=KEY)
    digest = artifacts.put(sealed)
    assert digest == sealed.digest
    assert artifacts.exists(digest)
    data = artifacts.get(digest)
    assert data.readonly
    assert bytes(data) == bytes(sealed)
    np.testing.assert_array_equal(unseal(data, key=KEY)["weights"], np.arange(1000.0))


def test_the_same_content_is_kept_once(artifacts: Artifacts) -> None:
    assert artifacts.put(seal([1, 2], key=KEY)) == artifacts.put(seal([1, 2], key=KEY))


def test_what_is_there_is_listed_with_its_age(artifacts: Artifacts) -> None:
    digests = {artifacts.put(seal(n, key=KEY)) for n in range(3)}
    assert set(artifacts.list()) == digests
    assert set(artifacts.list(time() - 60)) == set()
    assert set(artifacts.list(time() + 60)) == digests


def test_only_what_is_old_is_deleted_as_such(artifacts: Artifacts) -> None:
    digest = artifacts.put(seal(1, key=KEY))
    assert not artifacts.delete_old(digest, time() - 60)
    assert artifacts.exists(digest)
    assert artifacts.delete_old(digest, time() + 60)
    assert not artifacts.delete_old(digest, time() + 60)
    assert not artifacts.exists(digest)


def test_what_is_put_again_is_as_new(tmp_path: Path) -> None:
    artifacts = Artifacts.open(str(tmp_path))
    digest = artifacts.put(seal(1, key=KEY))
    [file] = files(tmp_path)
    os.utime(file, (0, 0))
    assert list(artifacts.list(time() - 60)) == [digest]
    artifacts.put(seal(1, key=KEY))
    assert list(artifacts.list(time() - 60)) == []


def test_deleted_artifacts_are_gone_and_to_delete_them_again_is_harmless(artifacts: Artifacts) -> None:
    digest = artifacts.put(seal([1, 2], key=KEY))
    artifacts.delete(digest)
    artifacts.delete(digest)
    assert not artifacts.exists(digest)
    with pytest.raises(ArtifactNotFoundError, match=digest):
        artifacts.get(digest)


def test_what_is_got_to_be_changed_changes_nothing(artifacts: Artifacts) -> None:
    digest = artifacts.put(seal("hello", key=KEY))
    before = bytes(artifacts.get(digest))
    view = artifacts.get(digest, writable=True)
    view[-1] ^= 0xFF
    assert bytes(artifacts.get(digest)) == before


@pytest.mark.parametrize("digest", ["", "../secret", "a" * 63, "A" * 64])
def test_what_is_no_digest_is_not_found(artifacts: Artifacts, digest: str) -> None:
    with pytest.raises(ArtifactNotFoundError):
        artifacts.get(digest)


# --------------------------------------------------------------------------------------- a folder


def test_arrays_of_a_folder_are_read_in_place(tmp_path: Path) -> None:
    artifacts = Artifacts.open(str(tmp_path))
    data = artifacts.get(artifacts.put(seal(np.arange(100_000.0), key=KEY)))
    array = unseal(data, key=KEY)
    assert np.shares_memory(array, np.frombuffer(data, dtype=np.uint8))
    assert array.ctypes.data % 64 == 0


def test_what_is_read_stays_readable_after_it_is_deleted(tmp_path: Path) -> None:
    artifacts = Artifacts.open(str(tmp_path))
    digest = artifacts.put(seal("hello", key=KEY))
    data = artifacts.get(digest)
    artifacts.delete(digest)
    assert unseal(data, key=KEY) == "hello"


def test_damaged_bytes_are_replaced_by_the_next_put(tmp_path: Path) -> None:
    artifacts = Artifacts.open(str(tmp_path))
    sealed = seal("hello", key=KEY)
    [path] = files(tmp_path / artifacts.put(sealed)[:2])
    path.write_bytes(b"")
    with pytest.raises(ArtifactNotFoundError):
        artifacts.get(sealed.digest)
    path.write_bytes(bytes(sealed)[:-3])
    with pytest.raises(SealError):
        unseal(artifacts.get(sealed.digest), key=KEY)
    artifacts.put(sealed)
    assert unseal(artifacts.get(sealed.digest), key=KEY) == "hello"


def test_content_signed_with_another_key_is_signed_anew(tmp_path: Path) -> None:
    artifacts = Artifacts.open(str(tmp_path))
    digest = artifacts.put(seal("hello", key=b"lost"))
    assert artifacts.put(seal("hello", key=KEY)) == digest
    assert unseal(artifacts.get(digest), key=KEY) == "hello"


@ON_A_FILE
def test_a_kill_while_writing_leaves_nothing_under_the_digest(
    tmp_path: Path, spawn: Callable[..., Any]
) -> None:
    code = """
        from alula._core._seal import seal
        Artifacts.open(sys.argv[2]).put(seal(list(range(1000)), key=b"key"))
    """
    child = spawn(code, str(tmp_path / "a"), faults="artifacts.written=kill")
    assert child.wait(150) == -signal.SIGKILL
    sealed = seal(list(range(1000)), key=KEY)
    artifacts = Artifacts.open(str(tmp_path / "a"))
    assert not artifacts.exists(sealed.digest)
    artifacts.put(sealed)
    assert bytes(artifacts.get(sealed.digest)) == bytes(sealed)


def test_what_a_dead_process_left_is_swept_up_a_day_later(tmp_path: Path) -> None:
    Artifacts.open(str(tmp_path))
    old, young = tmp_path / "drafts" / "old", tmp_path / "drafts" / "young"
    for draft in (old, young):
        draft.touch()
    os.utime(old, (1.0, 1.0))
    Artifacts.open(str(tmp_path))
    assert files(tmp_path) == [young]


def test_a_full_disk_leaves_nothing_and_says_where(tmp_path: Path) -> None:
    artifacts = Artifacts.open(str(tmp_path))
    sealed = seal(np.zeros(100_000), key=KEY)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        with pytest.raises(StoreUnavailableError, match=str(tmp_path)):
            artifacts.put(sealed)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailableError, match=r"file.*Not a directory"):
        Artifacts.open(str(tmp_path / "file" / "artifacts"))


# --------------------------------------------------------------------------------- other storage


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(StoreUnavailableError, match=r"nope://x.*not known"):
        Artifacts.open("nope://x")


def test_errors_of_other_storage_are_translated(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    artifacts = Artifacts.open(f"dir::file://{tmp_path}/file")
    with pytest.raises(StoreUnavailableError, match="file"):
        artifacts.put(seal([1], key=KEY))
    assert fsspec  # the driver in use is the real one
