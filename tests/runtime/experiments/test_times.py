"""Times as people write them."""

from datetime import UTC, datetime, timedelta

import pytest

from alula.runtime._experiments._times import moment

NOW = datetime(2026, 3, 31, 12, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", datetime(2026, 3, 31, 12, 29, 45)),
        ("10h", datetime(2026, 3, 31, 2, 30, 15)),
        ("5m", datetime(2026, 3, 31, 12, 25, 15)),
        ("2d", datetime(2026, 3, 29, 12, 30, 15)),
        ("1w", datetime(2026, 3, 24, 12, 30, 15)),
        ("1M", datetime(2026, 2, 28, 12, 30, 15)),
        ("1n", datetime(2026, 2, 28, 12, 30, 15)),
        ("1q", datetime(2025, 12, 31, 12, 30, 15)),
        ("2y", datetime(2024, 3, 31, 12, 30, 15)),
        ("-0y", datetime(2026, 1, 1)),
        ("-1y", datetime(2025, 1, 1)),
        ("-0q", datetime(2026, 1, 1)),
        ("-0M", datetime(2026, 3, 1)),
        ("-0w", datetime(2026, 3, 30)),
        ("-1d", datetime(2026, 3, 30)),
        ("-0h", datetime(2026, 3, 31, 12)),
        ("-0m", datetime(2026, 3, 31, 12, 30)),
        ("-0s", datetime(2026, 3, 31, 12, 30, 15)),
        ("2026-01-31", datetime(2026, 1, 31)),
        ("2026-01-31T06:00:00+02:00", datetime(2026, 1, 31, 4)),
    ],
)
def test_a_text_is_a_time(text: str, expected: datetime) -> None:
    assert datetime.fromtimestamp(moment(text, NOW.timestamp()), UTC) == expected.replace(tzinfo=UTC)


def test_a_span_and_a_number_are_times() -> None:
    assert moment(timedelta(hours=1), 3600.0) == 0
    assert moment(12, 0.0) == 12


@pytest.mark.parametrize("text", ["", "10", "10x", "ten hours", "-h", "99999999999d", "9999y", "1.5h"])
def test_a_text_that_is_no_time_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="is no time: write it as '2026-01-31T06:00', or as a span such as"):
        moment(text, NOW.timestamp())


@pytest.mark.parametrize("thing", [True, None, [1]])
def test_a_thing_that_is_no_time_is_refused(thing: object) -> None:
    with pytest.raises(TypeError, match="is no time"):
        moment(thing, 0.0)  # type: ignore[arg-type]  # what is refused
