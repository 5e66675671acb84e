"""Export to MLflow: its user interface shows our runs, with metrics, parameters and what was kept.

A run there carries a tag that says which of ours it is, so that exporting again adds what is new, and
nothing twice.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..._core._extras import imported
from ._ledger import Run

if TYPE_CHECKING:
    from ._reader import Reader

__all__ = ["export"]

_TAG: Final = "alula.run"
_STATUS: Final = {"STARTED": "RUNNING", "STOPPED": "FINISHED", "FAILED": "FAILED"}
_MOST: Final = 1000  # metrics in one request, as many as MLflow takes
_FEW: Final = 100  # parameters, or tags
_TEXT: Final = 5000  # characters of one of these


def export(reader: "Reader", runs: Sequence[Run], uri: str, name: str) -> str:
    """Write runs into the tracking store at an address, and give the address.

    Parameters
    ----------
    uri
        Of the store; beside the file of one by SQLite is the folder for what MLflow itself keeps.
    name
        Of the experiment there.

    Raises
    ------
    MissingExtraError
        If MLflow is not installed.
    """
    mlflow = _mlflow()
    client = mlflow.MlflowClient(tracking_uri=uri)
    known = client.get_experiment_by_name(name)
    # By default it would be a folder where this program was started.
    folder = f"{uri.removeprefix('sqlite:///').rpartition('/')[0]}/mlartifacts"
    artifacts = folder if uri.startswith("sqlite:///") else None
    there = known.experiment_id if known is not None else client.create_experiment(name, artifacts)
    ids: dict[int, str] = {}
    for run in runs:
        ids[run.number] = _export(mlflow, client, there, reader, run, ids)
    return uri


def _export(mlflow: Any, client: Any, there: str, reader: "Reader", run: Run, ids: Mapping[int, str]) -> str:
    """Write one run, and give its id there."""
    mark = f"{reader.bucket}/{reader.name}/{run.number}/{run.started!r}"
    found = client.search_runs([there], f"tags.`{_TAG}` = '{mark}'", max_results=1)
    if found:
        copy = found[0]
    else:
        tags = {_TAG: mark, "mlflow.user": run.userid, "mlflow.source.name": run.node}
        parent = ids.get(run.parent or 0)
        if parent is not None:
            tags["mlflow.parentRunId"] = parent
        begun = int(run.started * 1000)
        copy = client.create_run(there, start_time=begun, tags=tags, run_name=f"run {run.number}")
    identity: str = copy.info.run_id
    rows: list[dict[str, Any]] = reader.data(run.number, raw=True)
    for part in _parts(_metrics(mlflow.entities.Metric, rows), _MOST):
        client.log_batch(identity, metrics=part)
    params = {key: text for key, text in _texts("param", rows).items() if key not in copy.data.params}
    for some in _parts([mlflow.entities.Param(k, v) for k, v in params.items()], _FEW):
        client.log_batch(identity, params=some)
    for key, text in _texts("artifact", rows).items():
        client.set_tag(identity, f"artifact.{key}"[:250], text)
    if run.error is not None:
        client.set_tag(identity, "alula.error", run.error[:_TEXT])
    if run.status != "STARTED":
        ended = None if run.ended is None else int(run.ended * 1000)
        client.set_terminated(identity, _STATUS[run.status], ended)
    return identity


def _mlflow() -> Any:
    # Unless the user's environment says otherwise, it would tell its makers that it is used.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    for module in ("alembic", "mlflow.entities"):  # MLflow makes its tables with alembic
        imported(module, "mlflow", "exporting to MLflow")
    return imported("mlflow", "mlflow", "exporting to MLflow")


def _metrics(metric: Any, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Make MLflow's metrics; what has no step is counted, so that it can be drawn in order."""
    counts: dict[str, int] = {}
    found = []
    for row in rows:
        key = row["key"]
        if row["event"] == "metric":
            step = counts.get(key, 0) if row["step"] is None else row["step"]
            counts[key] = counts.get(key, 0) + 1
            found.append(metric(key, float(row["value"]), int(row["dt"] * 1000), step))
        elif row["event"] == "profile" and isinstance(row["value"], (int, float)):
            found.append(metric(f"system/{key}", float(row["value"]), int(row["dt"] * 1000), 0))
    return found


def _texts(event: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Give the last value of each key of an event, as text."""
    return {row["key"]: str(row["value"])[:_TEXT] for row in rows if row["event"] == event}


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for at in range(0, len(items), size):
        yield items[at : at + size]
