"""The log of a bucket: levels, names, what is kept, what is hidden, and who reads it."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import alula as om
from alula._core._settings import Settings
from alula.runtime import LogHandler, Record
from alula.runtime._logging import LogStore
from alula.runtime._logging._store import Asked, _Seen
from alula.runtime._secrets import hooks, masked
from alula.store import Store
from alula.testing import Clock
from tests.postgres import ON_BOTH


def said(**where: Any) -> list[str]:
    """Give what was logged, but for the first record, which the log writes itself."""
    return [record.msg for record in om.logger.dataset.get(raw=True, level="DEBUG", **where)]


@ON_BOTH
def test_a_log_begins_with_its_own_record() -> None:
    om.logger.info("hello")
    first, second = om.logger.dataset.get(raw=True)
    assert (first.level, first.msg) == ("SYSTEM", "log init")
    assert (second.level, second.levelno, second.logger) == ("INFO", 20, "alula.logger")
    assert second.text.endswith(" INFO alula.logger: hello")
    assert second.hostname
    assert second.userid
    assert second.taskid is None


@ON_BOTH
def test_levels_let_pass_what_is_as_severe() -> None:
    for level in ("QUIET", "CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"):
        om.logger.reset()
        om.logger.setLevel(level)
        for write in ("debug", "info", "warning", "error", "critical"):
            getattr(om.logger, write)(write)
        expected = {"QUIET": 0, "CRITICAL": 1, "ERROR": 2, "WARNING": 3, "INFO": 4, "DEBUG": 5}[level]
        assert len(said()) == expected, level
    with pytest.raises(ValueError, match="there is no level 'INFOO'; did you mean 'INFO'"):
        om.logger.setLevel("INFOO")
    with pytest.raises(ValueError, match="there is no level"):
        om.logger.dataset.get(level="loud")


def test_loggers_have_names_and_levels_of_their_own() -> None:
    other = om.logger.getLogger("my.model")
    other.setLevel("ERROR")
    other.info("no")
    other.error("yes %d", 1)
    om.logger.name = "mine"
    om.logger.info("%s")
    assert said(logger="my") == ["yes 1"]
    assert said(logger="mine") == ["%s"]
    assert repr(other) == "<logger my.model of omegaml>"


def test_what_is_logged_is_a_frame_by_time() -> None:
    om.logger.info("a")
    om.logger.error("b")
    frame = om.logger.dataset.get(level="ERROR")
    assert list(frame.columns) == [
        *("level", "levelno", "logger", "msg", "text", "hostname", "created", "userid", "taskid")
    ]
    assert frame["msg"].to_list() == ["b"]
    assert isinstance(frame.index, pd.DatetimeIndex)
    assert len(om.logger.dataset.get(level="CRITICAL")) == 0
    assert om.logger.dataset.get(tail=1)["msg"].to_list() == ["b"]
    assert om.logger.dataset.get(filter={"msg": "a"}, level="DEBUG")["msg"].to_list() == ["a"]
    assert om.logger.dataset.get(userid="nobody else").empty
    with pytest.raises(ValueError, match="'nme' is no column of logs"):
        om.logger.dataset.get(nme="x")


def test_the_last_records_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(25):
        om.logger.info(i)
    om.logger.show()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 20
    assert lines[-1].endswith("alula.logger: 24")
    told: list[str] = []
    om.logger.dataset.tail(latest=1, print=told.append)
    assert told[0].endswith("24")


def test_reset_empties_the_log() -> None:
    om.logger.info("a")
    om.logger.reset()
    [record] = om.logger.dataset.get(raw=True)
    assert record.msg == "log init"


def test_a_logger_of_python_may_be_captured() -> None:
    source = logging.getLogger("tests.captured")
    with om.logger.capture(source, "DEBUG"):
        source.debug("one")
        source.getChild("below").warning("two %s", "x")
        try:
            _ = 1 / 0
        except ZeroDivisionError:
            source.exception("three")
    source.error("four")
    records = om.logger.dataset.get(logger="tests.captured", raw=True)
    assert [(r.level, r.msg) for r in records] == [("DEBUG", "one"), ("WARNING", "two x"), ("ERROR", "three")]
    assert "ZeroDivisionError: division by zero" in records[-1].text
    assert source.level == logging.NOTSET
    with om.logger.capture("tests.captured"):
        source.error("five")
    assert said(logger="tests.captured")[-1] == "five"


def test_a_handler_writes_what_python_logs() -> None:
    source = logging.getLogger("tests.handled")
    handler = om.logger.handler("WARNING")
    assert isinstance(handler, LogHandler)
    source.addHandler(handler)
    source.warning("a")
    source.removeHandler(handler)
    assert said(logger="tests.handled") == ["a"]


def test_an_exception_is_logged_with_its_traceback() -> None:
    try:
        raise KeyError("x")
    except KeyError:
        om.logger.exception("gone wrong")
    [record] = om.logger.dataset.get(level="ERROR", raw=True)
    assert record.text.splitlines()[-1] == "KeyError: 'x'"
    assert str(record) == record.text


def test_buckets_have_logs_of_their_own() -> None:
    om.logger.info("a")
    other = om.bucket("other").logger
    other.info("b")
    assert said() == ["a"]
    assert [r.msg for r in other.dataset.get(level="INFO", raw=True)] == ["b"]


# ------------------------------------------------------------------------------------- what is kept


def test_the_oldest_records_go_when_there_are_too_many() -> None:
    om.logger.info("x" * 1000)
    for i in range(5):
        om.logger.info(f"{i}" * 100)
    om.logger.retain(size=700)
    assert [text[0] for text in said()] == ["3", "4"]
    with pytest.raises(ValueError, match="size=0 would keep nothing"):
        om.logger.retain(size=0)


def test_records_go_when_they_are_too_old(home: Path) -> None:
    clock = Clock()
    store = Store.open(Settings.load().store, clock=clock)
    log = LogStore(store, "b")
    log.add([log.make("INFO", 20, "x", "old", None)])
    clock.advance(91 * 86_400)
    log.add([log.make("INFO", 20, "x", "new", None)])
    log.trim()
    assert [record.msg for record in log.read(Asked())] == ["new"]
    store.close()


# ----------------------------------------------------------------------------------- what is hidden


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:abc@host/db", "postgresql://me:***@host/db"),
        ("password=abc, user=me", "password=***, user=me"),
        ("{'api_key': 'abc', 'n': 1}", "{'api_key': ***, 'n': 1}"),
        ("AWS_SECRET_ACCESS_KEY=abc", "AWS_SECRET_ACCESS_KEY=***"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("max_tokens=100 accuracy=0.5", "max_tokens=100 accuracy=0.5"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_secrets_are_known_by_their_names(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_patterns_hide_in_every_process(spawn: Callable[..., Any]) -> None:
    om.logger.mask(r"sk-\w+", r"\d{4}-\d{4}")
    om.logger.info("sk-abc and password=x")
    child = spawn("om.logger.info('1234-5678')")
    child.communicate()
    assert said() == ["*** and password=***", "***"]
    with pytest.raises(ValueError, match=r"the pattern '\(' is none"):
        om.logger.mask("(")


def test_a_hook_is_given_each_text() -> None:
    hook = str.upper
    om.logger.mask(hook=hook)
    try:
        om.logger.info("loud")
    finally:
        hooks.remove(hook)
    assert said() == ["LOUD"]


# --------------------------------------------------------------------------------------- who follows


@ON_BOTH
def test_who_follows_sees_what_others_write(spawn: Callable[..., Any]) -> None:
    """Also over the network: on Postgres the doorbell is the server's."""
    om.logger.info("first")
    records = om.logger.dataset.follow(level="INFO")
    assert next(records).msg == "first"
    child = spawn("[om.logger.info(f'from afar {i}') for i in range(3)]")
    assert [next(records).msg for _ in range(3)] == [f"from afar {i}" for i in range(3)]
    assert child.wait(150) == 0
    records.close()  # type: ignore[attr-defined]  # it is a generator


def test_following_ends_when_there_is_no_more_to_come() -> None:
    om.logger.info("a")
    assert [record.msg for record in om.logger.dataset.follow(level="INFO", over=lambda: True)] == ["a"]


def test_records_that_come_late_are_not_missed() -> None:
    def record(i: int) -> Record:
        facts = {"level": "INFO", "levelno": 20, "logger": "x", "hostname": "h", "userid": "u"}
        return Record(id=i, msg=str(i), text=str(i), created=0.0, **facts)  # type: ignore[arg-type]  # texts

    seen = _Seen(0)
    assert [r.id for r in seen.new([record(1), record(3)])] == [1, 3]
    assert seen.since <= 1
    assert [r.id for r in seen.new([record(1), record(2), record(3), record(4)])] == [2, 4]


def test_a_process_that_is_killed_loses_nothing_that_it_logged(spawn: Callable[..., Any]) -> None:
    child = spawn("""
    for i in range(10**9):
        om.logger.info(i)
        print(i, flush=True)
    """)
    told = [child.stdout.readline().strip() for _ in range(30)]
    child.kill()
    assert said()[:30] == told
