"""What notebooks show is small, escaped, and needs nothing from elsewhere."""

import pickle
from html.parser import HTMLParser

import pytest

from alula._core._html import Listing, bar, card, grid, seconds, short, status

EVIL = "<script>alert(1)</script>&\"'"


class Tags(HTMLParser):
    """Counts what is open, and keeps what is said."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data


@pytest.mark.parametrize(
    "page",
    [card(EVIL, EVIL, {EVIL: EVIL, "n": 1}), grid(EVIL, (EVIL,), [(EVIL,)]), bar(0.5, EVIL), short(EVIL)],
)
def test_what_comes_from_outside_is_text(page: str) -> None:
    tags = Tags(page)
    assert tags.open == []
    assert "script" not in tags.seen
    assert EVIL[:8] in tags.said
    assert "http" not in page
    assert len(page) < 2000


def test_facts_that_are_none_are_left_out() -> None:
    page = Tags(card("task", "fit", {"a": None, "b": "", "c": (), "d": 0, "e": False})).said
    assert page.endswith("task fitd0eFalse")


def test_of_a_long_table_and_a_long_text_the_beginning_is_shown() -> None:
    page = Tags(grid("all", ("n",), [(n,) for n in range(100)], total=250)).said
    assert page.endswith("1819and 230 more")
    assert len(card("x", "y", {"long": "z" * 10_000})) < 2000


def test_a_status_is_a_word_beside_its_sign() -> None:
    assert Tags(status("FAILURE")).said == "✗ FAILURE"
    assert Tags(status("of its own")).said.strip() == "of its own"


def test_spans_are_told_as_people_tell_them() -> None:
    assert [seconds(each) for each in (None, 0.25, 2.0, 75.0, 7260.0)] == [
        *("", "250 ms", "2.0 s", "1 min 15 s", "2 h 1 min")
    ]


def test_a_share_is_never_more_than_the_whole() -> None:
    assert 'value="1.0000"' in bar(1.5, "3/2")


def show(items: object) -> str:
    return f"shown {items}"


def test_a_listing_is_a_list_that_notebooks_show_otherwise() -> None:
    listing = Listing([1, 2], show)
    assert (listing, listing._repr_html_()) == ([1, 2], "shown [1, 2]")
    assert pickle.loads(pickle.dumps(listing)) == [1, 2]
