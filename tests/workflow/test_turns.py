"""Queues against a model of a screenful: never more than the limits, in order, and nothing is lost."""

from collections import Counter
from dataclasses import asdict, dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from sqlalchemy import delete, insert, select

from alula.store import Lease, Store
from alula.workflow._owner import disown, take
from alula.workflow._queue import look, pick
from alula.workflow._queues import Queue, Ticket
from alula.workflow._tables import QUEUES, STARTS, WORKFLOWS
from alula.workflow._vault import Vault
from tests.postgres import ON_BOTH
from tests.workflow.rows import put_waiting

KEYS = ["ada", "ben", "cyd"]
CONCURRENCY, PER_KEY, LIMIT, PERIOD = 3, 2, 4, 10.0
QUEUE = Queue("q", CONCURRENCY, PER_KEY, LIMIT, PERIOD)


@dataclass
class Job:
    """A workflow, as the model knows it."""

    number: int
    key: str
    priority: int
    due: float
    owner: tuple[str, int] | None = None


@dataclass
class Model:
    """What a queue is."""

    waiting: list[Job] = field(default_factory=list)
    running: list[Job] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)

    def claim(self, owner: tuple[str, int], most: int, now: float) -> list[int]:
        taken: list[Job] = []
        for job in sorted(self.waiting, key=lambda job: (job.priority, job.number)):
            if job.due <= now and len(taken) < most and self._fits(job, now):
                job.owner = owner
                self.waiting.remove(job)
                self.running.append(job)
                self.starts.append(now)
                taken.append(job)
        return sorted(job.number for job in taken)

    def _fits(self, job: Job, now: float) -> bool:
        same = [other for other in self.running if other.key == job.key]
        recent = [at for at in self.starts if at + PERIOD > now]
        return len(self.running) < CONCURRENCY and len(same) < PER_KEY and len(recent) < LIMIT


class Queued(RuleBasedStateMachine):
    """Two executors, one queue; each decision is one transaction, as in `Executor`."""

    store: Store
    vault: Vault

    def __init__(self) -> None:
        super().__init__()
        self.now, self.epochs, self.dead = 100.0, Counter({"a": 1, "b": 1}), set[tuple[str, int]]()
        self.model = Model()
        self.ended = 0
        with self.store.transaction() as connection:
            for table in (WORKFLOWS, QUEUES, STARTS):
                connection.execute(delete(table))
            connection.execute(insert(QUEUES).values(**asdict(QUEUE)))

    @rule(key=st.sampled_from(KEYS), priority=st.integers(0, 2), delay=st.sampled_from([0.0, 0.0, 3.0, 20.0]))
    def submit(self, key: str, priority: int, delay: float) -> None:
        ticket = Ticket(queue="q", key=key, priority=priority, delay=delay)
        with self.store.transaction() as connection:
            facts = {"created": self.now, **ticket.row(self.now)}
            number = put_waiting(connection, f"w{self._known}", **facts)
        self.model.waiting.append(Job(number, key, priority, self.now + delay))

    @rule(executor=st.sampled_from("ab"), most=st.integers(1, 4))
    def claim(self, executor: str, most: int) -> None:
        self._revive()
        lease = Lease(executor, self.epochs[executor], ("default",))
        with self.store.reading() as connection:
            seen = look(connection, lease, self._lives, most, self.now)
        with self.store.transaction() as connection:
            rows = pick(connection, lease, self._lives, self.vault, most, self.now)
            for row in rows:
                take(connection, row, lease, self.now, deaths=0)
        expected = self.model.claim((lease.name, lease.epoch), most, self.now)
        assert sorted(row.number for row in rows) == expected
        assert seen.pressing or not expected  # whoever only reads misses nothing

    @precondition(lambda self: self.model.running)
    @rule(data=st.data(), status=st.sampled_from(["SUCCESSFUL", "FAILED", "CANCELED"]))
    def end(self, data: st.DataObject, status: str) -> None:
        job = data.draw(st.sampled_from(self.model.running))
        self.model.running.remove(job)
        self._leave(status, job)

    @precondition(lambda self: self.model.waiting)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.model.waiting))
        self.model.waiting.remove(job)
        self._leave("CANCELED", job)

    @rule(executor=st.sampled_from("ab"))
    def kill(self, executor: str) -> None:
        self.dead.add((executor, self.epochs[executor]))
        self.epochs[executor] += 1

    @rule(seconds=st.sampled_from([0.5, 3.0, 12.0]))
    def advance(self, seconds: float) -> None:
        self.now += seconds

    def teardown(self) -> None:
        """Let all run that is left: nothing starves, and nothing is lost."""
        for _ in range(self._known + 1):
            self._leave("SUCCESSFUL", *self.model.running)
            self.model.running.clear()
            self.now += 20.0
            self.claim("a", 4)
            if not self.model.waiting + self.model.running:
                break
        with self.store.reading() as connection:
            left = set(connection.scalars(select(WORKFLOWS.c.status)).all())
        assert left <= {"SUCCESSFUL", "FAILED", "CANCELED"}

    @property
    def _known(self) -> int:
        return len(self.model.waiting) + len(self.model.running) + self.ended

    def _revive(self) -> None:
        """In the model as in the records: what the dead ran waits again, until when it keeps its slot."""
        for job in list(self.model.running):
            if job.owner in self.dead:
                self.model.running.remove(job)
                self.model.waiting.append(job)

    def _leave(self, status: str, *jobs: Job) -> None:
        self.ended += len(jobs)
        with self.store.transaction() as connection:
            for job in jobs:
                disown(connection, job.number, status=status)

    def _lives(self, name: str, epoch: int) -> bool:
        return (name, epoch) not in self.dead


@ON_BOTH
def test_a_queue_does_what_the_model_does(store: Store, vault: Vault) -> None:
    class Here(Queued):
        pass

    Here.store, Here.vault = store, vault
    tries = 5 if store.shared else 20  # there each statement is a round trip
    run_state_machine_as_test(
        Here, settings=settings(max_examples=tries, stateful_step_count=25, deadline=None)
    )
