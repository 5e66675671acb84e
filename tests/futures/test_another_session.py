"""What is left of a session is of no use in the next one, and does it no harm."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import alula
from alula.errors import ActorDiedError, FutureError, ObjectLostError
from alula.futures import get, put, remote
from tests.faults.processes import LIMIT


@remote
def echo(value: Any) -> Any:
    return value


@pytest.fixture(scope="module", params=["embedded", "ray"])
def left_over(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Give what is left of a session, while another one runs."""
    if request.param == "ray":
        request.getfixturevalue("ray_is_installed")
    alula.init(engine=request.param, num_cpus=2)
    actor, waiting = remote(Desk).remote(), alula.remote(lambda: threading.Event().wait()).remote()
    left: dict[str, Any] = {"ref": put(1), "late": waiting, "actor": actor, "call": actor.ask.remote()}
    get(left["call"], timeout=LIMIT)
    alula.shutdown()
    alula.init(engine=request.param, num_cpus=2)
    names = {name: getattr(alula.futures, name) for name in alula.futures.__all__}
    yield {**names, **left, "echo": echo, "desk": remote(Desk).remote()}
    alula.shutdown()


class Desk:
    def ask(self, value: object = None) -> object:
        return value


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("get(late)", FutureError),
        ("get([put(1), ref])", ObjectLostError),
        ("wait([ref])", ObjectLostError),
        ("wait([put(1), late], num_returns=2)", ObjectLostError),
        ("put([ref])", ObjectLostError),
        ("echo.remote(ref)", ObjectLostError),
        ("echo.remote({'in': [late]})", ObjectLostError),
        ("desk.ask.remote(ref)", ObjectLostError),
        ("desk.ask.remote([call])", ObjectLostError),
        ("get(actor.ask.remote())", ActorDiedError),
        ("kill(actor)", ActorDiedError),
        ("echo.remote(actor)", ActorDiedError),
        ("put({'it': actor})", ActorDiedError),
        ("desk.ask.remote(actor)", ActorDiedError),
        ("get(echo.bind(actor).execute())", ActorDiedError),
        ("get(echo.bind(ref).execute())", ObjectLostError),
        ("get_actor('desk')", ValueError),
    ],
)
def test_what_is_left_is_refused_and_ends_nothing(
    left_over: dict[str, Any], code: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        eval(code, left_over)
    assert get(left_over["desk"].ask.remote(1), timeout=LIMIT) == 1
