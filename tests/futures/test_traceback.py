"""What a failed task tells: one story, without the engine's own frames."""

from collections.abc import Callable
from typing import Any

import pytest

import alula.futures
from alula.errors import TaskError
from alula.futures import unpack_error
from alula.futures._errors import pack_task_error
from alula.futures._traceback import story


def compiled(text: str, path: str) -> Callable[..., Any]:
    """Give the function `f` of a source that is said to lie at `path`."""
    namespace: dict[str, Any] = {}
    exec(compile(text, path, "exec"), namespace)
    function: Callable[..., Any] = namespace["f"]
    return function


def raised(function: Callable[..., Any], *args: Any) -> Exception:
    with pytest.raises(Exception) as info:  # noqa: PT011  # any
        function(*args)
    return info.value


def raising(error: BaseException) -> None:
    raise error


def carried(error: BaseException, task: str) -> TaskError:
    arrived = unpack_error(pack_task_error(error, task))
    assert isinstance(arrived, TaskError)
    return arrived


def test_frames_of_the_engine_are_left_out_wherever_they_stand() -> None:
    engine = alula.futures.__file__.replace("__init__", "_engine")
    inner = compiled("def f(): raise ValueError('bad')", "/users/alula/futures/inner.py")
    get = compiled("def f(inner): inner()", engine)
    body = compiled("def f(get, inner): get(inner)", "/users/body.py")
    text = story(raised(compiled("def f(b, g, i): b(g, i)", engine), body, get, inner), "task")
    assert text.count("/users/") == 2  # a folder of somebody else's that is called like ours is not ours
    assert engine not in text
    assert text.endswith("ValueError: bad")


def test_what_led_to_an_error_comes_before_it() -> None:
    def both() -> None:
        try:
            raising(KeyError("first"))
        except KeyError as error:
            error.add_note("a hint")
            raise ValueError("second") from error

    text = story(raised(both), "task")
    assert (
        text.index("KeyError: 'first'\na hint")
        < text.index("direct cause")
        < text.index("ValueError: second")
    )


def test_what_was_being_handled_is_told_and_what_was_hidden_is_not() -> None:
    def during(hide: bool) -> None:
        try:
            raising(KeyError("first"))
        except KeyError:
            if hide:
                raise ValueError("second") from None
            raise ValueError("second")  # noqa: B904  # that is what is tested

    assert "During handling" in story(raised(during, False), "task")
    assert "first" not in story(raised(during, True), "task")


def test_a_circle_of_causes_is_told_once() -> None:
    one, two = KeyError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert story(one, "task").count("KeyError") == 1
    assert isinstance(carried(one, "task").cause.__cause__, ValueError)


def test_the_frames_of_a_task_stand_before_the_last_part_of_the_story_it_passes_on() -> None:
    def both() -> None:
        try:
            raising(KeyError("first"))
        except KeyError as error:
            raise ValueError("second") from error

    text = carried(raised(raising, carried(raised(both), "lower")), "upper").remote_traceback
    order = [text.index(word) for word in ("KeyError: 'first'", "direct cause", "Task upper", "ValueError")]
    assert order == sorted(order)
    assert text.rindex("Task lower") > text.index("Task upper")


def test_the_story_of_somebody_else_s_text_is_kept_whole() -> None:
    error = TaskError.of(KeyError("k"), task="far", remote_traceback="it went wrong")
    assert "Task near" in story(error, "near")
    assert story(error, "near").endswith("it went wrong")


def test_a_group_names_its_task() -> None:
    text = story(raised(raising, ExceptionGroup("several", [ValueError("one")])), "task")
    assert "  | " in text
    assert "Task task (pid=" in text


def test_notes_of_the_error_itself_travel_beside_its_story() -> None:
    error = ValueError("bad")
    error.add_note("look here")
    assert "look here" not in story(error, "task")
    through = carried(error, "lower")
    through.add_note("and there")
    assert carried(through, "upper").__notes__ == ["look here", "and there"]
