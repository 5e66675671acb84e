"""Where large values go."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import alula
from alula import workflow
from alula.errors import StoreUnavailableError
from alula.futures import Engine, current
from tests.s3 import S3


@alula.remote
def array(size: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.arange(float(size))


@alula.remote
def total(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    return float(values.sum())


@pytest.fixture(scope="module")
def bucket(s3: S3) -> Iterator[str]:
    """Give a bucket that workers, too, know of: their environment is that of the program at its start."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3.environment().items():
            patch.setenv(name, value)
        s3.call("PUT", "/values")
        yield "s3://values"
        s3.call("POST", "/moto-api/reset")


@pytest.fixture(scope="module")
def engine(bucket: str) -> Iterator[Engine]:
    alula.init(num_cpus=2)
    yield current()
    alula.shutdown()


def test_large_values_of_workflows_lie_on_s3(
    home: Path, bucket: str, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALULA_ARTIFACTS", f"{bucket}/mine")
    assert workflow.run(total.bind(array.bind(50_000)), workflow_id="w") == sum(range(50_000))
    workflow.reset_default_executor()
    np.testing.assert_array_equal(workflow.get_output("w", task_id=f"{__name__}.array"), np.arange(50_000.0))
    assert s3.call("GET", "/values?list-type=2&prefix=mine/").count(b"<Key>mine/") >= 1
    assert not (home / "artifacts").exists()


@pytest.mark.usefixtures("home", "bucket")
def test_a_bucket_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALULA_ARTIFACTS", "s3://nowhere")
    with pytest.raises(StoreUnavailableError, match="no bucket 'nowhere'"):
        workflow.run(array.bind(50_000))
