"""Actors: state, the order of calls, death, names."""

import os
import signal
import threading
from typing import Any

import pytest

from ...errors import ActorAlreadyExistsError, ActorDiedError, TaskError
from ...futures import ActorHandle, get, get_actor, kill, method, put, remote
from .._turnstile import Turnstile
from ._part import LIMIT, Part, ended, value
from ._values import echo, fail, hold

__all__ = ["Actors", "Counter", "Deaths", "Handles", "Names"]


class Tally:
    """A number, and a few ways to change it."""

    def __init__(self, start: int = 0) -> None:
        self.count = start

    def add(self, amount: int = 1) -> int:
        """Give the new number."""
        self.count += amount
        return self.count

    def spoil(self, amount: int) -> None:
        """Change it and fail."""
        self.count += amount
        raise ValueError("spoilt")

    def hold(self, turnstile: Turnstile) -> int:
        """Give the number, but not before the test allows it."""
        turnstile.wait()
        return self.count

    @method(num_returns=2)
    def pair(self) -> tuple[int, int]:
        """Give two results."""
        return self.count, -self.count

    def pid(self) -> int:
        """Give the number of the process."""
        return os.getpid()

    def crash(self) -> None:
        """Die."""
        os.kill(os.getpid(), signal.SIGKILL)

    def __call__(self, x: int) -> int:
        return self.count * x


Counter = remote(Tally)  # not as a decorator: type checkers do not see what that does to a class


class Actors(Part):
    """Living actors."""

    def test_an_actor_keeps_its_state(self) -> None:
        counter = Counter.remote(10)
        assert get([counter.add.remote(), counter.add.remote(5), counter.add.remote(amount=1)]) == [
            11,
            16,
            17,
        ]

    def test_a_class_may_be_made_remote_in_three_ways(self) -> None:
        ways: list[Any] = [remote(Tally), remote(num_cpus=0.5)(Tally), remote(Tally).options(num_cpus=1)]
        assert [value(way.remote(3).add.remote()) for way in ways] == [4, 4, 4]

    def test_each_actor_has_its_own_state_and_process(self) -> None:
        counters = [Counter.remote(i) for i in range(4)]
        assert get([c.add.remote() for c in counters], timeout=LIMIT) == [1, 2, 3, 4]
        pids = get([c.pid.remote() for c in counters], timeout=LIMIT)
        assert len({*pids, os.getpid()}) == 5

    def test_calls_of_one_caller_run_in_their_order(self) -> None:
        class Log(list[Any]):
            pass

        log = remote(Log).remote()
        for i in range(200):
            log.append.remote(i)
        assert value(log.copy.remote()) == list(range(200))

    def test_a_call_whose_input_is_late_holds_back_those_after_it(self, turnstile: Turnstile) -> None:
        counter = Counter.remote()
        first = counter.add.remote(hold.remote(turnstile, 10))
        second = counter.add.remote()
        turnstile.let()
        assert get([first, second], timeout=LIMIT) == [10, 11]

    def test_an_error_of_a_method_leaves_the_state(self) -> None:
        counter = Counter.remote()
        with pytest.raises(ValueError, match="spoilt") as caught:
            value(counter.spoil.remote(5))
        assert isinstance(caught.value, TaskError)
        assert value(counter.add.remote()) == 6

    def test_a_failed_input_fails_the_call_alone(self) -> None:
        counter = Counter.remote()
        with pytest.raises(ValueError, match="broken"):
            value(counter.add.remote(fail.remote("broken")))
        assert value(counter.add.remote()) == 1

    def test_arguments_of_the_constructor_may_be_references(self) -> None:
        assert value(Counter.remote(echo.remote(5)).add.remote(put(2))) == 7

    def test_a_method_may_give_several_references(self) -> None:
        counter = Counter.remote(3)
        assert get(counter.pair.remote(), timeout=LIMIT) == [3, -3]
        assert value(counter.pair.options(num_returns=1).remote()) == (3, -3)

    def test_an_instance_that_can_be_called_may_be(self) -> None:
        counter = Counter.remote(3)
        assert value(counter.__call__.remote(5)) == 15

    def test_a_method_may_be_a_coroutine(self) -> None:
        class Later:
            async def give(self) -> str:
                return "result"

        assert value(remote(Later).remote().give.remote()) == "result"

    def test_a_method_may_start_tasks_and_wait(self) -> None:
        class Boss:
            def ask(self, count: int) -> list[Any]:
                return get([echo.remote(i) for i in range(count)])

        assert value(remote(Boss).remote().ask.remote(5)) == [0, 1, 2, 3, 4]

    def test_an_inherited_method_is_a_method(self) -> None:
        class Base:
            def greet(self) -> str:
                return f"hello from {type(self).__name__}"

        class Heir(Base):
            pass

        assert value(remote(Heir).remote().greet.remote()) == "hello from Heir"


class Handles(Part):
    """What a handle is, and where it may go."""

    def test_neither_class_nor_method_is_called_directly(self) -> None:
        with pytest.raises(TypeError, match=r"Tally\.remote"):
            Counter()
        with pytest.raises(TypeError, match=r"add\.remote"):
            Counter.remote().add()

    def test_arguments_that_do_not_fit_the_constructor_are_refused_at_the_call(self) -> None:
        with pytest.raises(TypeError, match="Tally"):
            Counter.remote(1, 2)

    def test_an_unknown_method_is_refused_with_the_nearest_one(self) -> None:
        with pytest.raises(AttributeError, match=r"did you mean 'spoil'\?"):
            _ = Counter.remote().spoill

    def test_an_argument_of_an_actor_that_cannot_be_pickled_is_refused_at_the_call(self) -> None:
        with pytest.raises(TypeError, match="lock"):
            Counter.remote().add.remote(threading.Lock())
        with pytest.raises(TypeError, match="lock"):
            Counter.remote(threading.Lock())

    def test_a_task_may_call_an_actor(self) -> None:
        @remote
        def raise_by(counter: ActorHandle, amount: int) -> Any:
            return value(counter.add.remote(amount))

        counter = Counter.remote()
        assert value(raise_by.remote(counter, 2)) == 2
        assert value(raise_by.remote(counter, 3)) == 5
        assert value(counter.add.remote()) == 6

    def test_a_handle_may_be_nested_and_put(self) -> None:
        @remote
        def first(counters: dict[str, list[ActorHandle]]) -> Any:
            return value(counters["all"][0].add.remote())

        counter = Counter.remote()
        assert value(first.remote({"all": [counter]})) == 1
        assert value(first.remote(put({"all": [counter]}))) == 2

    def test_an_actor_may_call_another(self) -> None:
        class Caller:
            def __init__(self, other: ActorHandle) -> None:
                self.other = other

            def pass_on(self, amount: int) -> Any:
                return value(self.other.add.remote(amount))

        counter = Counter.remote()
        assert value(remote(Caller).remote(counter).pass_on.remote(4)) == 4
        assert value(counter.add.remote()) == 5

    def test_a_task_may_make_an_actor_and_give_its_handle(self) -> None:
        counter = value(remote(lambda: Counter.remote(7)).remote())
        assert value(counter.add.remote()) == 8

    def test_the_actor_ends_with_its_last_handle(self) -> None:
        counter = Counter.remote()
        pid = value(counter.pid.remote())
        del counter
        assert ended(pid)

    def test_the_last_handle_may_be_in_another_process(self) -> None:
        class Holder:
            def take(self, held: list[ActorHandle]) -> None:
                self.held = held

            def use(self) -> Any:
                return value(self.held[0].add.remote())

            def drop(self) -> None:
                self.held = []

        holder, counter = remote(Holder).remote(), Counter.remote()
        value(holder.take.remote([counter]))
        pid = value(counter.pid.remote())
        del counter
        assert [value(holder.use.remote()) for _ in range(2)] == [1, 2]
        value(holder.drop.remote())
        assert ended(pid)

    def test_a_handle_inside_a_value_counts(self) -> None:
        counter = Counter.remote()
        pid, kept = value(counter.pid.remote()), put([counter])
        del counter
        [counter] = value(kept)
        assert value(counter.pid.remote()) == pid
        del counter, kept
        assert ended(pid)

    def test_a_call_that_runs_counts(self, turnstile: Turnstile) -> None:
        counter = Counter.remote(5)
        pid = value(counter.pid.remote())
        ref = counter.hold.remote(turnstile)
        turnstile.arrived()
        del counter
        turnstile.let()
        assert value(ref) == 5
        assert ended(pid)


class Deaths(Part):
    """Dead actors."""

    def test_a_killed_actor_fails_what_runs_what_waits_and_what_comes(self, turnstile: Turnstile) -> None:
        counter = Counter.remote()
        running, queued = counter.hold.remote(turnstile), counter.add.remote()
        turnstile.arrived()
        kill(counter)
        for ref in (running, queued, counter.add.remote()):
            with pytest.raises(ActorDiedError, match="killed"):
                value(ref)

    def test_the_process_of_a_killed_actor_ends(self) -> None:
        counter = Counter.remote()
        pid = value(counter.pid.remote())
        kill(counter)
        assert ended(pid)

    def test_a_crash_fails_what_runs_and_what_comes(self) -> None:
        counter = Counter.remote()
        for ref in (counter.crash.remote(), counter.add.remote()):
            with pytest.raises(ActorDiedError, match="Tally"):
                value(ref)

    def test_a_constructor_that_raises_says_so_at_every_call(self) -> None:
        class Stillborn:
            def __init__(self) -> None:
                raise ValueError("not today")

            def live(self) -> None:
                pass

        stillborn = remote(Stillborn).remote()
        for _ in range(2):
            with pytest.raises(ActorDiedError, match="__init__ raised ValueError: not today"):
                value(stillborn.live.remote())

    def test_leaving_the_program_is_an_error_and_the_actor_lives(self) -> None:
        class Leaver:
            def leave(self) -> None:
                raise SystemExit(3)

            def stay(self) -> str:
                return "here"

        leaver = remote(Leaver).remote()
        with pytest.raises(TaskError, match="SystemExit"):
            value(leaver.leave.remote())
        assert value(leaver.stay.remote()) == "here"

    def test_a_dead_actor_harms_no_other(self) -> None:
        one, other = Counter.remote(), Counter.remote()
        with pytest.raises(ActorDiedError):
            value(one.crash.remote())
        assert value(other.add.remote()) == 1

    def test_killing_twice_is_killing_once(self) -> None:
        counter = Counter.remote()
        kill(counter)
        kill(counter)

    def test_only_actors_are_killed(self) -> None:
        with pytest.raises(ValueError, match="handle"):
            kill(put(1))  # type: ignore[arg-type]  # the mistake is the point


class Names(Part):
    """Named actors."""

    def test_an_actor_is_found_by_its_name(self) -> None:
        counter = Counter.options(name="found").remote(3)
        assert value(get_actor("found").add.remote()) == 4
        assert value(counter.add.remote()) == 5

    def test_a_task_finds_it_too(self) -> None:
        counter = Counter.options(name="from afar").remote()
        assert value(remote(lambda: get(get_actor("from afar").add.remote())).remote()) == 1
        assert value(counter.add.remote()) == 2

    def test_what_was_found_knows_its_methods(self) -> None:
        counter = Counter.options(name="typed").remote(3)
        found = get_actor("typed")
        assert get(found.pair.remote(), timeout=LIMIT) == [3, -3]
        with pytest.raises(AttributeError, match="did you mean 'add'"):
            _ = found.ad
        del counter

    def test_a_busy_actor_is_found_at_once(self, turnstile: Turnstile) -> None:
        counter = Counter.options(name="busy").remote(3)
        ref = counter.hold.remote(turnstile)
        turnstile.arrived()
        get_actor("busy").add.remote()
        turnstile.let()
        assert value(ref) == 3

    def test_an_unknown_name_says_which_there_are(self) -> None:
        counter = Counter.options(name="known").remote()
        with pytest.raises(ValueError, match="'known'"):
            get_actor("knwon")
        del counter

    def test_a_name_is_taken_once(self) -> None:
        counter = Counter.options(name="taken").remote(3)
        with pytest.raises(ActorAlreadyExistsError, match="'taken'") as caught:
            Counter.options(name="taken").remote()
        assert isinstance(caught.value, ValueError)
        assert value(counter.add.remote()) == 4

    def test_one_that_exists_may_be_taken_instead(self) -> None:
        either = Counter.options(name="either", get_if_exists=True)
        first, second = either.remote(3), either.remote(100)
        assert get([first.add.remote(), second.add.remote()], timeout=LIMIT) == [4, 5]

    def test_taking_what_exists_needs_a_name(self) -> None:
        with pytest.raises(ValueError, match="name"):
            Counter.options(get_if_exists=True)

    def test_a_name_belongs_to_its_namespace(self) -> None:
        here = Counter.options(name="twice", namespace="here").remote(1)
        there = Counter.options(name="twice", namespace="there").remote(2)
        assert value(get_actor("twice", "here").add.remote()) == 2
        assert value(get_actor("twice", "there").add.remote()) == 3
        del here, there

    def test_of_many_who_take_what_exists_all_get_the_same(self) -> None:
        @remote(num_cpus=0)
        def take() -> tuple[Any, list[ActorHandle]]:
            one = Counter.options(name="raced", get_if_exists=True).remote()
            return value(one.pid.remote()), [one]

        found = get([take.remote() for _ in range(6)], timeout=LIMIT)
        assert len({pid for pid, _ in found}) == 1

    def test_a_name_is_free_when_its_actor_has_ended(self) -> None:
        counter = Counter.options(name="once more").remote()
        pid = value(counter.pid.remote())
        kill(counter)
        assert ended(pid)
        assert value(Counter.options(name="once more", get_if_exists=True).remote(4).add.remote()) == 5

    def test_a_detached_actor_needs_no_handle(self) -> None:
        detached = Counter.options(name="detached", lifetime="detached")
        pid = value(remote(lambda: value(detached.remote().pid.remote())).remote())
        found = get_actor("detached")
        assert value(found.pid.remote()) == pid
        kill(found)
        assert ended(pid)

    def test_a_dead_actor_is_not_found(self) -> None:
        counter = Counter.options(name="late").remote()
        pid = value(counter.pid.remote())
        kill(counter)
        assert ended(pid)
        with pytest.raises(ValueError, match="late"):
            get_actor("late")
