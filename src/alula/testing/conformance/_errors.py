"""What people catch when the code of a task raises."""

import errno
import os
import pickle
import sys
import threading
import warnings
from dataclasses import dataclass
from typing import Any, Self

import pytest

from ...errors import TaskError
from ...futures import get, put, remote
from ._part import LIMIT, Part, value
from ._values import echo, fail

__all__ = ["Errors", "OddErrors"]


class Odd(Exception):
    """One whose arguments are not those of its ``__init__``."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code, self.reason = code, reason


class Slotted(LookupError):
    """One that keeps a fact outside of its dictionary."""

    __slots__ = ("fact",)

    def __init__(self, *, fact: int) -> None:
        self.fact = fact


@dataclass(frozen=True)
class Frozen(Exception):
    """One that refuses to be changed."""

    code: int


class Guarded(ExceptionGroup[ValueError]):
    """A group with a constructor of its own."""

    def __new__(cls, errors: list[ValueError], code: int) -> Self:
        self = super().__new__(cls, "guarded", errors)
        self.code = code
        return self

    code: int


class Stubborn(LookupError):
    """One that refuses to be pickled, and has a property where `TaskError` has a fact."""

    @property
    def cause(self) -> str:
        """Say what it is not."""
        return "not the cause"

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise RuntimeError("no")

    def __str__(self) -> str:
        raise RuntimeError("no text either")


@remote
def raises(error: BaseException) -> None:
    """Raise."""
    raise error


def raises_slotted() -> None:
    """Raise one with slots."""
    raise Slotted(fact=7)


def raises_frozen() -> None:
    """Raise a frozen one."""
    raise Frozen(7)


def raises_guarded() -> None:
    """Raise a group."""
    raise Guarded([ValueError("one")], 7)


def raises_stubborn() -> None:
    """Raise one that does all to stay where it is."""
    raise Stubborn("x")


def caught(ref: Any) -> TaskError:
    """Give the error of a task."""
    with pytest.raises(TaskError) as info:
        value(ref)
    return info.value


class Errors(Part):
    """The error of a task is a `TaskError`, and an error of the class that was raised."""

    def test_both_classes_catch_it(self) -> None:
        error = caught(fail.remote("both"))
        assert isinstance(error, ValueError)
        assert type(error).__name__ == "TaskError(ValueError)"

    def test_the_cause_is_the_original(self) -> None:
        error = caught(fail.remote("original"))
        assert type(error.cause) is ValueError
        assert error.cause.args == ("original",)
        assert error.__cause__ is error.cause

    def test_the_text_tells_where_it_was_raised_and_leaves_the_engine_out(self) -> None:
        error = caught(fail.remote("here it was"))
        assert "raise ValueError(message)" in error.remote_traceback
        assert "fail" in error.task
        assert error.remote_traceback in str(error)
        assert "here it was" in str(error)
        assert "alula/futures" not in error.remote_traceback

    def test_the_text_names_the_task_and_its_process(self) -> None:
        @remote
        def telling() -> None:
            raise LookupError(os.getpid())

        error = caught(telling.remote())
        assert error.pid == error.args[0]
        assert f"telling (pid={error.pid})" in str(error).partition("\n")[0]

    def test_notes_are_kept(self) -> None:
        @remote
        def noting() -> None:
            error = KeyError("k")
            error.add_note("look in the other drawer")
            raise error

        error = caught(noting.remote())
        assert error.__notes__ == error.cause.__notes__ == ["look in the other drawer"]

    def test_the_reason_of_the_error_is_in_the_text(self) -> None:
        @remote
        def chained() -> None:
            try:
                raise KeyError("deeper")
            except KeyError as error:
                raise ValueError("above") from error

        assert "deeper" in caught(chained.remote()).remote_traceback

    def test_the_cause_of_the_cause_is_carried(self) -> None:
        @remote
        def chained() -> None:
            try:
                get(fail.remote("first"))
            except ValueError as error:
                raise LookupError("second") from error

        cause = caught(chained.remote()).cause
        assert type(cause) is LookupError
        assert type(cause.__cause__) is ValueError
        assert cause.__cause__.args == ("first",)

    def test_the_way_through_several_tasks_is_one_story(self) -> None:
        @remote
        def lowest() -> None:
            raise KeyError("deep down")

        @remote
        def middle() -> None:
            get(lowest.remote())

        @remote
        def highest() -> None:
            try:
                get(middle.remote())
            except KeyError as error:
                error.add_note("on the way up")
                raise

        error = caught(highest.remote())
        text = error.remote_traceback
        assert text.count("Traceback") == 1
        assert text.count("KeyError: 'deep down'") == 1
        places = [text.index(f"in {name}\n") for name in ("highest", "middle", "lowest")]
        assert places == sorted(places)
        assert "on the way up" in error.__notes__
        assert type(error.cause) is KeyError

    def test_a_warning_that_is_an_error_is_one_of_the_task(self) -> None:
        @remote
        def warned() -> None:
            with warnings.catch_warnings(action="error"):
                warnings.warn("too old", DeprecationWarning, stacklevel=1)

        assert isinstance(caught(warned.remote()), DeprecationWarning)

    def test_a_group_is_caught_by_except_star(self) -> None:
        @remote
        def several() -> None:
            raise ExceptionGroup("several", [ValueError("one"), Odd(7, reason="two"), ValueError("three")])

        found: list[list[str]] = []
        try:
            value(several.remote())
        except* ValueError as group:
            found.append([str(error) for error in group.exceptions])
        except* Odd as group:
            found.append([str(error) for error in group.exceptions])
        assert found == [["one", "three"], ["7: two"]]

    def test_an_error_that_passes_through_a_task_keeps_its_first_cause(self) -> None:
        through = remote(lambda: get(fail.remote("first")))
        error = caught(through.remote())
        assert isinstance(error, ValueError)
        assert type(error.cause) is ValueError

    def test_a_task_may_catch_the_error_of_another(self) -> None:
        @remote
        def catching() -> str:
            try:
                get(fail.remote("inner"))
            except ValueError as error:
                return f"caught {error.args[0]}"
            return "nothing"

        assert value(catching.remote()) == "caught inner"

    def test_every_reference_of_the_task_has_the_error(self) -> None:
        for ref in fail.options(num_returns=2).remote("all"):  # type: ignore[attr-defined]  # a list
            assert caught(ref).args == ("all",)

    def test_an_error_may_be_pickled(self) -> None:
        error = caught(fail.remote("stored"))
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert (str(again), again.cause.args) == (str(error), ("stored",))

    def test_an_error_may_be_a_value(self) -> None:
        assert value(put(ValueError("kept"))).args == ("kept",)

    def test_an_error_harms_no_other_task(self) -> None:
        refs = [fail.remote("x") if i % 2 else echo.remote(i) for i in range(20)]
        assert get(refs[::2], timeout=LIMIT) == list(range(0, 20, 2))


class OddErrors(Part):
    """Classes of errors that are hard to carry."""

    def test_one_with_an_unusual_constructor_arrives_whole(self) -> None:
        @remote
        def odd() -> None:
            raise Odd(7, reason="because")

        error = caught(odd.remote())
        assert isinstance(error, Odd)
        assert (error.code, error.reason) == (7, "because")
        assert (error.cause.code, error.cause.reason) == (7, "because")  # type: ignore[attr-defined]  # an Odd

    def test_a_class_made_inside_the_task_arrives(self) -> None:
        @remote
        def local() -> None:
            class Local(LookupError):
                pass

            raise Local("here")

        error = caught(local.remote())
        assert isinstance(error, LookupError)
        assert type(error.cause).__name__ == "Local"

    def test_facts_outside_of_the_arguments_arrive(self) -> None:
        error = caught(remote(lambda: open("/no/such/file")).remote())  # noqa: SIM115  # it does not open
        assert isinstance(error, FileNotFoundError)
        assert isinstance(error.cause, FileNotFoundError)
        assert (error.cause.errno, error.cause.filename) == (errno.ENOENT, "/no/such/file")
        assert (error.errno, error.filename) == (errno.ENOENT, "/no/such/file")

    def test_one_of_text_decoding_arrives(self) -> None:
        error = caught(remote(lambda: b"\xff".decode()).remote())
        assert isinstance(error, UnicodeDecodeError)
        assert isinstance(error.cause, UnicodeDecodeError)
        assert "invalid start byte" in str(error)

    def test_one_that_cannot_be_pickled_is_still_of_its_class(self) -> None:
        @remote
        def locked() -> None:
            error = KeyError("kept", threading.Lock())
            error.lock = threading.Lock()  # type: ignore[attr-defined]  # any attribute
            raise error

        error = caught(locked.remote())
        assert isinstance(error, KeyError)
        assert error.args[0] == "kept"

    def test_one_with_slots_keeps_what_is_in_them(self) -> None:
        error = caught(remote(lambda: raises_slotted()).remote())
        assert isinstance(error, Slotted)
        assert isinstance(error.cause, Slotted)
        assert (error.fact, error.cause.fact) == (7, 7)

    def test_so_does_one_whose_class_travels_with_it(self) -> None:
        class Own(LookupError):
            __slots__ = ("fact",)

            def __init__(self, *, fact: int) -> None:
                self.fact = fact

        @remote
        def fail() -> None:
            raise Own(fact=7)

        error = caught(fail.remote())
        assert isinstance(error, Own)
        assert (error.fact, error.cause.fact) == (7, 7)  # type: ignore[attr-defined]  # an Own

    def test_one_that_is_frozen_arrives(self) -> None:
        error = caught(remote(lambda: raises_frozen()).remote())
        assert isinstance(error, Frozen)
        assert (error.code, error.cause.code) == (7, 7)  # type: ignore[attr-defined]  # a Frozen

    def test_a_group_with_a_constructor_of_its_own_arrives(self) -> None:
        error = caught(remote(lambda: raises_guarded()).remote())
        assert isinstance(error, Guarded)
        assert (error.code, [e.args for e in error.exceptions]) == (7, [("one",)])

    def test_one_with_a_hostile_class_is_still_of_it(self) -> None:
        error = caught(remote(lambda: raises_stubborn()).remote())
        assert Stubborn in type(error).__mro__  # which mypy believes to be impossible
        assert isinstance(error.cause, Stubborn)
        assert "Stubborn" in str(error)

    def test_the_error_of_a_task_may_be_a_member_of_a_group(self) -> None:
        @remote
        def collecting() -> None:
            try:
                get(fail.remote("inside"))
            except ValueError as error:
                raise ExceptionGroup("collected", [error]) from None

        error = caught(collecting.remote())
        assert isinstance(error, ExceptionGroup)
        member = error.exceptions[0]
        assert isinstance(member, TaskError)
        assert isinstance(member, ValueError)
        assert "raise ValueError(message)" in member.remote_traceback

    def test_leaving_the_program_is_an_error_that_says_so(self) -> None:
        error = caught(remote(lambda: sys.exit(3)).remote())
        assert isinstance(error.cause, SystemExit)
        assert "SystemExit" in str(error)
        assert not isinstance(error, SystemExit)

    def test_one_that_is_no_exception_is_an_error_of_the_task(self) -> None:
        class Bare(BaseException):
            pass

        error = caught(raises.remote(Bare("bare")))
        assert type(error.cause).__name__ == "Bare"
        assert error.cause.args == ("bare",)

    def test_one_whose_class_forbids_heirs_is_a_task_error(self) -> None:
        class Final(Exception):
            def __init_subclass__(cls) -> None:
                raise TypeError("final")

        error = caught(raises.remote(Final("last")))
        assert type(error.cause).__name__ == "Final"
