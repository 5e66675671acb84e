"""The journal alone, on a real store: no engine runs, the tests say what the tasks answered."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from alula._core._ids import Key
from alula._core._settings import Settings
from alula.errors import (
    FencedError,
    WorkflowCancellationError,
    WorkflowNotResumableError,
    WorkflowTaskNotRecoverableError,
)
from alula.graph import Done, Graph, Grown, Name
from alula.store import Lease, Store
from alula.testing import Clock
from alula.workflow import WorkflowStatus
from alula.workflow._journal import Journal, Submission
from alula.workflow._outlines import outline
from alula.workflow._owner import disown, take
from alula.workflow._rows import heads_of
from alula.workflow._tables import METADATA, TASKS, VERSION, WORKFLOWS
from alula.workflow._tasks import Continued, Creator, Ended, Span, tasks_of
from alula.workflow._vault import Recorded, Stored, Vault, Volatile
from tests.postgres import ON_BOTH
from tests.workflow.bodies import add

pytestmark = ON_BOTH

LEASE = Lease("tester", 1, ("default",))
SPAN = Span(10.0, 11.0, 1)


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    store = Store.open(Settings.load().store, clock=Clock(now=100.0))
    store.ensure("workflow", VERSION, METADATA)
    yield store
    store.close()


@pytest.fixture
def journal(store: Store, vault: Vault) -> Journal:
    """Of a new workflow: one task, which reads another."""
    tasks = tasks_of(Graph.of(add.bind(add.bind(1), 2)), vault)
    given = Submission(id="w", tasks=tasks, heads=heads_of(vault, tasks), labels=("default",))
    with store.transaction() as connection:
        return Journal.create(connection, store, vault, given, LEASE)


@pytest.fixture
def reopen(store: Store, vault: Vault) -> Callable[[], Journal]:
    """Take the workflow over, as another executor would after a crash."""

    def take_over() -> Journal:
        with store.transaction() as connection:
            row = connection.execute(select(WORKFLOWS)).one()
            return Journal(store, vault, take(connection, row, LEASE, 0.0, deaths=0), row.entry)

    return take_over


def answer(ask: Callable[[Callable[[BaseException | None], None]], None]) -> BaseException | None:
    """Wait for what a journal answers when something is durable, or refused."""
    answers: list[BaseException | None] = []
    done = Event()

    def then(error: BaseException | None) -> None:
        answers.append(error)
        done.set()

    ask(then)
    assert done.wait(150)
    return answers[0]


def record(journal: Journal, key: Key, outcome: Done[Any] | Grown) -> BaseException | None:
    return answer(partial(journal.record, key, outcome))


def value(vault: Vault, result: object) -> Ended:
    return Ended(vault.seal(result), SPAN)


def grown(vault: Vault, key: Key, root: Key | None = None) -> Continued:
    """What a task answers that has become `add(add(7), 8)`."""
    graph = Graph.of(add.bind(add.bind(7), 8), creator=key)
    return Continued(outline(tasks_of(graph, vault, creator=Creator(key, root, True))), SPAN)


def status(store: Store) -> str:
    with store.reading() as connection:
        return str(connection.scalar(select(WORKFLOWS.c.status)))


def pointer(store: Store, key: Key) -> str | None:
    with store.reading() as connection:
        return connection.scalar(select(TASKS.c.pointer).where(TASKS.c.key == key))


def test_a_new_workflow_has_nothing_to_recall(journal: Journal) -> None:
    assert [journal.recall(key) for key in journal.graph().nodes] == [None, None]
    assert journal.recall(Name("x")) is None


def test_a_recorded_value_is_recalled_by_who_comes_next(
    journal: Journal, vault: Vault, reopen: Callable[[], Journal]
) -> None:
    first, last = journal.graph().nodes
    assert record(journal, first, value(vault, 1)) is None
    later = reopen()
    assert list(later.graph().nodes) == [first, last]
    assert later.recall(first) == Done(Recorded(first))
    assert later.recall(last) is None
    [stored] = later.past.values([Recorded(first)])
    assert isinstance(stored, Stored)
    assert vault.unseal(stored) == 1


def test_what_need_not_run_again_comes_without_its_call(
    journal: Journal, vault: Vault, reopen: Callable[[], Journal]
) -> None:
    first, last = journal.graph().nodes
    record(journal, first, value(vault, 1))
    nodes = reopen().graph().nodes
    assert nodes[first].fn.call is None
    assert nodes[last].fn == journal.graph().nodes[last].fn


def test_the_last_value_and_the_success_are_one_commit(journal: Journal, vault: Vault, store: Store) -> None:
    first, last = journal.graph().nodes
    record(journal, first, value(vault, 1))
    assert status(store) == "RUNNING"
    record(journal, last, value(vault, 3))
    assert status(store) == "SUCCESSFUL"
    assert answer(partial(journal.commit, ())) is None


def test_a_task_has_at_most_one_result(journal: Journal, vault: Vault) -> None:
    [first, _] = journal.graph().nodes
    assert record(journal, first, value(vault, 1)) is None
    assert isinstance(record(journal, first, value(vault, 2)), FencedError)


def test_who_has_been_superseded_cannot_write(
    journal: Journal, vault: Vault, reopen: Callable[[], Journal]
) -> None:
    [first, _] = journal.graph().nodes
    later = reopen()
    assert isinstance(record(journal, first, value(vault, 1)), FencedError)
    assert isinstance(record(journal, first, grown(vault, first)), FencedError)
    assert isinstance(answer(partial(journal.commit, ())), FencedError)
    assert isinstance(journal.lost(), FencedError)
    assert later.lost() is None
    assert record(later, first, value(vault, 1)) is None


def test_nothing_is_written_to_what_has_ended(journal: Journal, vault: Vault, store: Store) -> None:
    first, last = journal.graph().nodes
    record(journal, first, value(vault, 1))
    record(journal, last, value(vault, 3))
    assert isinstance(answer(journal.cancel), FencedError)
    assert status(store) == "SUCCESSFUL"
    assert journal.lost() is None


def test_a_cancelled_workflow_is_lost_as_such(journal: Journal) -> None:
    assert answer(journal.cancel) is None
    assert isinstance(journal.lost(), WorkflowCancellationError)


def test_a_released_workflow_may_be_taken(
    journal: Journal, store: Store, reopen: Callable[[], Journal]
) -> None:
    assert answer(partial(journal.release, WorkflowStatus.PENDING)) is None
    assert status(store) == "PENDING"
    assert reopen().owner.attempt > journal.owner.attempt


def test_a_continuation_is_recalled_as_the_graph_that_was_recorded(
    journal: Journal, vault: Vault, reopen: Callable[[], Journal]
) -> None:
    [first, _] = journal.graph().nodes
    outcome = grown(vault, first)
    record(journal, first, outcome)
    later = reopen()
    later.graph()
    recalled = later.recall(first)
    assert isinstance(recalled, Grown)
    assert [n.fn for n in recalled.graph.nodes.values()] == [n.fn for n in outcome.graph.nodes.values()]
    assert recalled.graph.outputs == outcome.graph.outputs


def test_the_first_link_of_a_chain_points_to_the_newest(
    journal: Journal, vault: Vault, store: Store, reopen: Callable[[], Journal]
) -> None:
    [_, root] = journal.graph().nodes
    link, outcome = root, grown(vault, root)
    for _ in range(3):
        record(journal, link, outcome)
        link = outcome.graph.outputs[0]
        outcome = grown(vault, link, root)
    assert pointer(store, root) == link
    later = reopen()
    later.graph()
    recalled = later.recall(root)
    assert isinstance(recalled, Grown)
    assert recalled.graph.outputs == (link,)
    record(later, link, value(vault, 5))
    assert status(store) == "SUCCESSFUL"


def test_what_is_not_to_be_recorded_is_answered_at_once(journal: Journal, vault: Vault, store: Store) -> None:
    [first, _] = journal.graph().nodes
    graph = Graph.of(add.bind(7), creator=first)
    tasks = tasks_of(graph, vault, creator=Creator(first, None, False, recorded=False))
    for outcome in (Ended(Volatile(None), SPAN), Continued(outline(tasks), SPAN)):  # type: ignore[arg-type]  # never looked at
        assert record(journal, first, outcome) is None
    assert pointer(store, first) is None


def test_ids_go_on_after_a_restart(
    journal: Journal, vault: Vault, store: Store, reopen: Callable[[], Journal]
) -> None:
    [first, last] = journal.graph().nodes
    record(journal, first, grown(vault, first))
    later = reopen()
    record(later, last, grown(vault, last))
    with store.reading() as connection:
        ids = list(connection.scalars(select(TASKS.c.task_id).order_by(TASKS.c.nth)))
    assert ids == ["tests.workflow.bodies.add", *(f"tests.workflow.bodies.add_{n}" for n in range(1, 6))]


def test_missing_records_are_told_by_name(
    journal: Journal, vault: Vault, store: Store, reopen: Callable[[], Journal]
) -> None:
    [first, _] = journal.graph().nodes
    record(journal, first, grown(vault, first))
    later = reopen()
    later.graph()
    with store.transaction() as connection:
        connection.execute(delete(TASKS).where(TASKS.c.creator == first))
    with pytest.raises(WorkflowTaskNotRecoverableError, match="should be recorded and is not there"):
        later.recall(first)
    with pytest.raises(WorkflowNotResumableError, match=first):
        later.past.values([Recorded(first)])
    with store.transaction() as connection:
        connection.execute(delete(TASKS))
    with pytest.raises(WorkflowNotResumableError, match="its first graph"):
        reopen().graph()


def test_a_workflow_of_the_same_id_is_another_one(journal: Journal, vault: Vault, store: Store) -> None:
    [first, _] = journal.graph().nodes
    with store.transaction() as connection:
        connection.execute(delete(WORKFLOWS))
        tasks = tasks_of(Graph.of(add.bind(add.bind(1), 2)), vault)
        given = Submission(id="w", tasks=tasks, heads=heads_of(vault, tasks), labels=("default",))
        Journal.create(connection, store, vault, given, LEASE)
        connection.execute(update(WORKFLOWS).values(attempt=journal.owner.attempt))
    assert isinstance(record(journal, first, value(vault, 1)), FencedError)


def test_a_disowned_workflow_refuses_its_last_owner(journal: Journal, vault: Vault, store: Store) -> None:
    [first, _] = journal.graph().nodes
    with store.transaction() as connection:
        disown(connection, journal.owner.number, status=WorkflowStatus.CANCELED)
    assert isinstance(record(journal, first, value(vault, 1)), FencedError)
