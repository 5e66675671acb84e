"""A Ray cluster of several machines, all of them on this one, and this process joined to it."""

from collections.abc import Iterator
from typing import Any

import pytest

import alula
from alula.futures import Engine, current
from alula.testing.conformance._part import LIMIT
from tests.postgres import Postgres
from tests.s3 import S3

# So that a dead machine is known to be dead after a second: five questions that nobody answers. One that
# is merely slow to answer has ten seconds for it.
QUICK = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 200}


def processes_of(*nodes: Any) -> list[Any]:
    """Give what runs for some machines; whoever ends them waits for each, which Ray leaves undone."""
    return [info.process for node in nodes for infos in node.all_processes.values() for info in infos]


@pytest.fixture(scope="package")
def cluster(ray_is_installed: None, s3: S3) -> Iterator[Any]:
    """The cluster, of which one machine is there, with two cores."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        for name, value in s3.environment().items():  # machines have it from who starts them
            patch.setenv(name, value)
        head = {"num_cpus": 2, "include_dashboard": False, "_system_config": QUICK}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        yield cluster
        processes = processes_of(*cluster.list_all_nodes())
        cluster.shutdown()
        for process in processes:
            process.wait(LIMIT)


@pytest.fixture(scope="module")
def engine(cluster: Any) -> Iterator[Engine]:
    alula.init(engine="ray", address=cluster.address)
    yield current()
    alula.shutdown()


@pytest.fixture(scope="package")
def shared(postgres: Postgres, s3: S3) -> Iterator[dict[str, str]]:
    """Settings of a store and of artifacts that every machine reaches."""
    s3.call("PUT", "/cluster")
    with postgres.database() as url:
        yield {"store": url, "artifacts": "s3://cluster/values"}
