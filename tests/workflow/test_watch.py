from collections.abc import Iterator
from threading import Event

import pytest

from alula.errors import WorkflowError
from alula.graph import Done, Failed
from alula.store import Store
from alula.workflow._vault import Output, Stored
from alula.workflow._watch import TOPIC, Watch
from tests.postgres import ON_BOTH

pytestmark = ON_BOTH


@pytest.fixture
def watch(store: Store) -> Iterator[Watch]:
    watch = Watch(store)
    yield watch
    watch.close()


class Question:
    """Has no answer until the test gives it one; says when it was asked."""

    def __init__(self) -> None:
        self.answer: Done[Output] | Failed | None = None
        self.asked = Event()

    def __call__(self) -> Done[Output] | Failed | None:
        self.asked.set()
        return self.answer


def test_what_is_known_is_answered_at_once(watch: Watch) -> None:
    question = Question()
    question.answer = Done(Stored("digest"))
    assert watch.ask(question).result(0) == Stored("digest")


@pytest.mark.parametrize("news", ["ring", "poke"])
def test_news_make_it_look_again(watch: Watch, store: Store, news: str) -> None:
    question = Question()
    future = watch.ask(question)
    assert not future.done()
    question.answer = Failed(ValueError("no"))
    store.ring(TOPIC) if news == "ring" else watch.poke()
    with pytest.raises(ValueError, match="no"):
        future.result(150)


def test_it_looks_without_news_as_well(watch: Watch) -> None:
    question = Question()
    future = watch.ask(question)
    question.asked.clear()
    assert question.asked.wait(150)
    assert not future.done()


def test_a_question_that_fails_is_answered_with_its_error(watch: Watch) -> None:
    def broken() -> None:
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        watch.ask(broken).result(150)


def test_what_is_open_at_the_end_fails(watch: Watch) -> None:
    future = watch.ask(Question())
    watch.close()
    with pytest.raises(WorkflowError, match="closed"):
        future.result(150)
