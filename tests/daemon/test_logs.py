"""Lines of a log, for people, for programs, and as launchers expect them."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alula.daemon import LogFormat, log_to

Written = Callable[[LogFormat, str], list[str]]


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    """Log some things in a form and from a level on, and give the lines."""
    logger = logging.getLogger("alula")
    before = logger.level, logger.propagate
    installed: list[logging.Handler] = []

    def write(form: LogFormat, level: str = "notice") -> list[str]:
        installed.append(log_to(str(tmp_path / "log"), form, level=level))
        mine = logging.getLogger("alula.server")
        mine.debug("a detail")
        mine.info("ready at %s", 6379, extra={"event": "start", "port": 6379, "_of_a_library": 1})
        try:
            raise ValueError("no")
        except ValueError:
            mine.exception("it failed")
        return (tmp_path / "log").read_text().splitlines()

    yield write
    for handler in installed:
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(before[0])
    logger.propagate = before[1]


def test_an_object_a_line_with_what_belongs_to_the_event(written: Written) -> None:
    start, error = map(json.loads, written("json", "notice"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]{12}\+00:00", start.pop("time"))
    assert start.pop("process") > 0
    assert start == {"level": "info", "event": "start", "message": "ready at 6379", "port": 6379}
    assert (error["level"], error["event"], error["message"]) == ("error", "log", "it failed")
    assert error["error"].endswith("ValueError: no")


def test_lines_as_redis_writes_them(written: Written) -> None:
    start, error, *trace = written("redis", "notice")
    assert re.fullmatch(r"\d+:M \d\d \w{3} \d{4} [\d:]{8}\.\d{3} \* ready at 6379", start)
    assert re.fullmatch(r"\d+:M .* # it failed", error)
    assert trace[-1] == "ValueError: no"


@pytest.mark.parametrize(("level", "texts"), [("debug", 3), ("verbose", 3), ("notice", 2), ("warning", 1)])
def test_lines_for_people_from_a_level_on(written: Written, level: str, texts: int) -> None:
    lines = [line for line in written("text", level) if re.match(r"\d{4}-\d\d-\d\d ", line)]
    assert len(lines) == texts
    assert lines[-1].endswith("ERROR it failed")
