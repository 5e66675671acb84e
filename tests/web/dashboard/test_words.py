"""Numbers and times as people read them; sessions; addresses of pages of ours."""

import pytest

from alula.testing import Clock
from alula.web._dashboard._render import address, static
from alula.web._dashboard._session import Sessions
from alula.web._dashboard._view import ours
from alula.web._dashboard._words import ago, count, exact, percent, shortened, size, tone, took
from alula.workflow import WorkflowStatus


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "now"), (5, "5 s ago"), (-90, "in 1 min"), (7200, "2 h ago"), (90_000, "1 d ago"), (4e7, "1 y ago")],
)
def test_how_long_ago(seconds: float, said: str) -> None:
    assert ago(1e9 - seconds, 1e9) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0001, "< 1 ms"),
        (0.25, "250 ms"),
        (2.5, "2.5 s"),
        (90, "1 min 30 s"),
        (300, "5 min"),
        (7260, "2 h 1 min"),
    ],
)
def test_how_long_it_took(seconds: float, said: str) -> None:
    assert took(seconds) == said


def test_numbers_and_sizes() -> None:
    assert [count(12345), count(0.05333), count(1234.5)] == ["12,345", "0.0533", "1,234"]
    assert [size(999), size(1000), size(1_234_567), size(2e15)] == ["999 B", "1 kB", "1.23 MB", "2000 TB"]
    assert percent(0.256) == "26%"
    assert exact(0) == "1970-01-01T00:00:00Z"
    assert {ago(None), took(None), count(None), size(None), exact(None), percent(None)} == {"\N{EN DASH}"}


def test_an_id_is_shortened_in_its_middle() -> None:
    assert shortened("short") == "short"
    long = shortened("a" * 40 + "b" * 40, 20)
    assert len(long) == 20
    assert long.startswith("aaaa")
    assert long.endswith("bbbb")


def test_every_state_has_a_look_of_its_own() -> None:
    looks = [tone(state) for state in WorkflowStatus if state is not WorkflowStatus.NONE]
    assert len({sign for _, sign in looks}) == len(looks)
    assert tone("whatever")[0] == "plain"


def test_addresses_keep_slashes_and_leave_out_what_is_empty() -> None:
    assert address("workflow", "a/b c", task="x&y", part="") == "/workflow/a/b%20c?task=x%26y"
    assert address("live", topic=["a", "b"]) == "/live?topic=a&topic=b"
    assert static("app.css") == static("app.css")


@pytest.mark.parametrize(
    "path", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", ""]
)
def test_nobody_is_sent_elsewhere(path: str) -> None:
    assert ours(path) == "/"


def test_a_page_of_ours_is_gone_back_to() -> None:
    assert ours("/workflows?status=FAILED") == "/workflows?status=FAILED"


def test_a_session_ends_by_itself_and_the_oldest_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    sessions = Sessions(clock.monotonic)
    first = sessions.begin("token")
    assert sessions.find(first.id) is first
    assert not first.proves("")
    assert first.proves(first.csrf)
    clock.advance(12 * 3600 + 1)
    assert sessions.find(first.id) is None
    monkeypatch.setattr("alula.web._dashboard._session._MOST", 2)
    made = [sessions.begin() for _ in range(3)]
    assert [sessions.find(each.id) is not None for each in made] == [False, True, True]
    sessions.end(made[2])
    assert sessions.find(made[2].id) is None
    assert sessions.find(None) is None
