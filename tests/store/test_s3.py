"""Artifacts on S3: against a real server, by the usual variables of the environment."""

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import s3fs

from alula._core._seal import seal, unseal
from alula.errors import ArtifactNotFoundError, StoreUnavailableError
from alula.store import Artifacts
from tests.s3 import S3

KEY = b"key"
PUT = """
import sys
from alula._core._seal import seal
from alula.store import Artifacts
print(Artifacts.open(sys.argv[1]).put(seal("from afar", key=b"key")))
"""


@pytest.fixture
def server(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    s3.call("PUT", "/values")
    yield s3
    s3.call("POST", "/moto-api/reset")


@pytest.fixture
def artifacts(server: S3) -> Artifacts:
    return Artifacts.open("s3://values/of/mine")


def test_what_is_put_is_got_by_its_digest(artifacts: Artifacts) -> None:
    sealed = seal({"weights": np.arange(200_000.0)}, key=KEY)
    digest = artifacts.put(sealed)
    assert artifacts.exists(digest)
    assert artifacts.put(sealed) == digest
    data = artifacts.get(digest)
    assert data.readonly
    np.testing.assert_array_equal(unseal(data, key=KEY)["weights"], np.arange(200_000.0))


def test_what_is_deleted_is_gone(artifacts: Artifacts) -> None:
    digest = artifacts.put(seal([1, 2], key=KEY))
    for _ in range(2):
        artifacts.delete(digest)
    assert not artifacts.exists(digest)
    with pytest.raises(ArtifactNotFoundError, match=digest):
        artifacts.get(digest)


def test_another_process_writes_where_this_one_reads(artifacts: Artifacts) -> None:
    command = [sys.executable, "-W", "error", "-c", PUT, "s3://values/of/mine"]
    digest = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert unseal(artifacts.get(digest), key=KEY) == "from afar"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of a process with threads
def test_the_child_of_a_fork_has_connections_of_its_own(artifacts: Artifacts) -> None:
    digest = artifacts.put(seal("hello", key=KEY))
    child = os.fork()
    if not child:
        os._exit(0 if unseal(artifacts.get(digest), key=KEY) == "hello" else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_bucket_that_is_not_there_is_named_at_once(server: S3) -> None:
    with pytest.raises(StoreUnavailableError, match=r"s3://nowhere/x .* no bucket 'nowhere'"):
        Artifacts.open("s3://nowhere/x")


def test_a_bucket_that_goes_is_no_value_that_is_missing(artifacts: Artifacts, server: S3) -> None:
    digest = artifacts.put(seal([1, 2], key=KEY))
    server.call("POST", "/moto-api/reset")
    with pytest.raises(StoreUnavailableError, match="no bucket 'values'"):
        artifacts.get(digest)
    with pytest.raises(StoreUnavailableError, match="bucket"):
        artifacts.put(seal([1, 2], key=KEY))


def test_credentials_that_are_wrong_or_missing_are_told(
    artifacts: Artifacts, server: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server.guarded():
        with pytest.raises(StoreUnavailableError, match="does not let this user in: check AWS_ACCESS_KEY_ID"):
            artifacts.put(seal([1, 2], key=KEY))
        with pytest.raises(StoreUnavailableError, match="does not let this user in"):
            artifacts.exists("0" * 64)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(StoreUnavailableError, match="check AWS_ACCESS_KEY_ID"):
        Artifacts.open("s3://values/of/mine")


def test_an_endpoint_that_does_not_answer_is_told(server: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    with pytest.raises(StoreUnavailableError, match="check AWS_ENDPOINT_URL"):
        Artifacts.open("s3://values/of/mine")
