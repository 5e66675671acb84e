"""Every error is documented, drawn in the tree, and takes facts that survive pickling."""

import inspect
import pickle
import re
from typing import Any

import pytest

from alula import errors, exceptions
from alula.errors import (
    ActorAlreadyExistsError,
    ActorDiedError,
    ActorUnavailableError,
    ActorUnschedulableError,
    AlulaError,
    ArtifactNotFoundError,
    CommandError,
    CrashLoopError,
    CycleError,
    DeployError,
    EngineError,
    ExecutorAliveError,
    FencedError,
    GetTimeoutError,
    InstallError,
    InvalidNameError,
    KindError,
    LabelError,
    MissingExtraError,
    NameNotFoundError,
    NodeDiedError,
    NotebookError,
    ObjectFetchTimedOutError,
    ObjectFreedError,
    ObjectLostError,
    ObjectReconstructionFailedError,
    ObjectStoreFullError,
    OutOfDiskError,
    OutOfMemoryError,
    OwnerDiedError,
    PendingCallsLimitExceeded,
    PickleRefusedError,
    QueueDeduplicatedError,
    QueueNotFoundError,
    ReferenceCountingAssertionError,
    ResultExpiredError,
    RuntimeEnvSetupError,
    SealError,
    SettingError,
    SourceRefusedError,
    StoreUnavailableError,
    StreamingGeneratorReplayInconsistentError,
    TaskCancelledError,
    TaskError,
    TaskNotFoundError,
    TaskUnschedulableError,
    TransactionError,
    UnknownNodeError,
    UnserializableException,
    UnsupportedError,
    WorkerCrashedError,
    WorkerStartError,
    WorkflowCancellationError,
    WorkflowExecutionError,
    WorkflowNotFoundError,
    WorkflowNotResumableError,
    WorkflowOutputNotReady,
    WorkflowStillActiveError,
    WorkflowTaskNotRecoverableError,
    WorkflowTimeoutError,
)

CLASSES = {
    name: each
    for name, each in vars(errors).items()
    if inspect.isclass(each) and each.__module__ == errors.__name__ and not name.startswith("_")
}
GROUPS = {
    "ActorError",
    "AlulaError",
    "FutureError",
    "GraphError",
    "RuntimeTaskError",
    "StoreError",
    "WorkflowError",
}

# One of each: whoever adds a class adds one here.
EXAMPLES: list[AlulaError] = [
    ActorAlreadyExistsError("counter"),
    ActorDiedError("counter", "it was killed"),
    ActorUnavailableError("counter", "its machine does not answer"),
    ActorUnschedulableError("counter", "the machine it is bound to is gone"),
    ArtifactNotFoundError("ab12"),
    CommandError("ERR wrong number of arguments"),
    CrashLoopError("alula serve", 5, "was killed by SIGSEGV"),
    CycleError(["a", "b", "a"]),
    DeployError("digits", "it has no ONNX form"),
    EngineError("train", "it lost its way"),
    ExecutorAliveError("alula@here", "here", 7),
    FencedError("workflow 'w'", 3),
    GetTimeoutError("1 of 2 values", 0.5),
    InvalidNameError("a/b", "a slash is for folders"),
    TransactionError("its code may not commit it"),
    KindError(int, "datasets", ["pandas.dataframe", "python.data"]),
    LabelError("a,b"),
    NotebookError("report.ipynb", 3, "ZeroDivisionError", "division by zero"),
    MissingExtraError("sklearn", "lab", "alula demo"),
    NameNotFoundError("datasets/iri", ["datasets/iris"]),
    NodeDiedError("end of file"),
    PickleRefusedError("models/m"),
    SourceRefusedError("pypi://rich==14", ["git+https://*"]),
    ObjectFetchTimedOutError("ObjectRef(ab)"),
    ObjectFreedError("ObjectRef(ab)"),
    ObjectLostError("ObjectRef(ab)", "its segment is gone"),
    ObjectReconstructionFailedError("ObjectRef(ab)", "it was put"),
    ObjectStoreFullError("a value of 3 GB", "2 GB are in use, of 4"),
    OutOfDiskError("a value of 3 GB", "/tmp is full"),
    OutOfMemoryError("train", 4),
    OwnerDiedError("ObjectRef(ab)"),
    PendingCallsLimitExceeded("counter", 10),
    QueueDeduplicatedError("emails", "hello-ada", "w"),
    QueueNotFoundError("emials", ["emails"]),
    ReferenceCountingAssertionError("ObjectRef(ab)"),
    RuntimeEnvSetupError("train", "no package is named torhc"),
    SealError("the value of 'x'", "it is not signed by Alula"),
    SettingError("num_cpus", "many", "must be a whole number", origin="alula.toml"),
    StoreUnavailableError("sqlite:///x", "the disk is full"),
    StreamingGeneratorReplayInconsistentError("frames", "it gave 3 values, not 4"),
    TaskCancelledError("train"),
    TaskError.of(ValueError("bad"), task="train", remote_traceback="Traceback"),
    InstallError("mine", "no such version"),
    ResultExpiredError("ab-12"),
    TaskNotFoundError("ab-12"),
    TaskUnschedulableError("train", "the machine it is bound to is gone"),
    UnknownNodeError("ab12"),
    UnserializableException("train", "Traceback"),
    UnsupportedError("concurrency groups", "embedded", "use two actors"),
    WorkerCrashedError("train", 4, "was killed by signal 9"),
    WorkerStartError("train", "Resource temporarily unavailable"),
    WorkflowCancellationError("w"),
    WorkflowExecutionError("w", "train"),
    WorkflowNotFoundError("w", "train"),
    WorkflowNotResumableError("w", "nothing of it is recorded"),
    WorkflowOutputNotReady("w", "it runs"),
    WorkflowStillActiveError("w"),
    WorkflowTaskNotRecoverableError("w", "the value of task t"),
    WorkflowTimeoutError("the signal 'go'", 3),
]

ONLY_IN_THE_TEXT = {"known"}  # facts of which an error keeps only what it says of them


def example(name: str) -> AlulaError:
    found = {type(each).__name__.partition("(")[0]: each for each in EXAMPLES}
    assert name in found, f"EXAMPLES lacks a {name}"
    return found[name]


def drawn() -> dict[str, list[str]]:
    """Read the tree in the docstring: the bases of each class, the one above it first."""
    above: list[str] = []
    bases: dict[str, list[str]] = {}
    for line in inspect.getdoc(errors).splitlines():  # type: ignore[union-attr]  # it has one
        if match := re.match(r"^((?:│  |   )*)([├└]─ )?(\w+)(?: \(([\w, ]+)\))?(?:  .*| .*)?$", line):
            indent, branch, name, others = match.groups()
            if name not in CLASSES or (name != "AlulaError" and not branch):
                continue
            depth = len(indent) // 3 + bool(branch)
            above[depth:] = [name]
            assert name not in bases
            bases[name] = [*above[depth - 1 : depth], *(others.split(", ") if others else [])]
    return bases


def test_the_tree_shows_every_class_at_its_place_with_its_true_bases() -> None:
    true = {name: [base.__name__ for base in each.__bases__] for name, each in CLASSES.items()}
    assert drawn() == {**true, "AlulaError": []}


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_is_exported_and_documented(name: str) -> None:
    assert name in errors.__all__
    assert CLASSES[name].__doc__


def _name(error: AlulaError) -> object:
    return getattr(error, "name", None)  # an ImportError keeps it elsewhere than its attributes


@pytest.mark.parametrize("name", sorted(CLASSES.keys() - GROUPS))
def test_an_error_pickles_with_its_facts(name: str) -> None:
    error = example(name)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    facts = [(str(each), repr(each.args), repr(vars(each)), _name(each)) for each in (error, copy)]
    assert facts[0] == facts[1]


@pytest.mark.parametrize("name", sorted(CLASSES.keys() - GROUPS))
def test_an_error_keeps_its_facts_as_attributes(name: str) -> None:
    maker = getattr(CLASSES[name], "of", CLASSES[name])
    facts = set(inspect.signature(maker).parameters) - ONLY_IN_THE_TEXT
    assert facts <= vars(example(name)).keys()


@pytest.mark.parametrize("name", sorted(CLASSES.keys() - GROUPS))
def test_a_message_is_one_that_people_can_use(name: str) -> None:
    message = str(example(name))
    assert len(message) > 10
    assert "object at 0x" not in message


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_a_group_is_raised_by_nobody_and_has_heirs(name: str) -> None:
    assert CLASSES[name].__subclasses__()
    assert "__init__" not in vars(CLASSES[name])


def test_rays_names_are_all_names_of_errors_of_ours() -> None:
    listed: dict[str, Any] = {name: getattr(exceptions, name) for name in exceptions.__all__}
    assert set(listed.values()) <= set(CLASSES.values())
    for name, each in listed.items():
        assert name in (each.__name__, f"Ray{each.__name__}") or "Ray" in name
