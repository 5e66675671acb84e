"""Parameters are read and written as Redis does, and changed all or not at all."""

import pytest

from alula.errors import CommandError, SettingError
from alula.server import Config
from alula.server._config import PARAMETERS

LIMITS = "client-output-buffer-limit"


@pytest.mark.parametrize("name", PARAMETERS)
def test_what_a_parameter_is_written_as_is_read_as_the_same(name: str) -> None:
    config = Config()
    before = config.get([name.encode()])
    config.begin(name.upper(), before[name])
    assert config.get([name.encode()]) == before


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("maxmemory", "1gb", "1073741824"),
        ("maxmemory", "2K", "2000"),
        ("maxmemory", "7", "7"),
        ("protected-mode", "NO", "no"),
        ("appendfsync", "Always", "always"),
        ("notify-keyspace-events", "KEA", "AKE"),
        ("notify-keyspace-events", "dxE", "xdE"),
        (
            LIMITS,
            "normal 1mb 2 3",
            "normal 1048576 2 3 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        ),
        (LIMITS, "replica 0 0 0", "normal 0 0 0 slave 0 0 0 pubsub 33554432 8388608 60"),
        ("save", "900 1", "900 1"),
        ("timeout", "5", "5"),
    ],
)
def test_a_value_has_one_form_in_which_it_is_given_back(name: str, given: str, value: str) -> None:
    config = Config()
    config.set([(name, given)])
    assert config.get([name.encode()]) == {name: value}


FAILED = "ERR CONFIG SET failed (possibly related to argument '{}') - {}"


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("maxclients", "abc", "argument couldn't be parsed into an integer"),
        ("maxclients", "0", "argument must be between 1 and 4294967295 inclusive"),
        ("maxmemory", "1x", "argument must be a memory value"),
        ("maxmemory", "-1", "argument must be between 0 and 9223372036854775807 inclusive"),
        ("protected-mode", "maybe", "argument must be 'yes' or 'no'"),
        ("appendfsync", "foo", "argument(s) must be one of the following: everysec, always, no"),
        ("databases", "3", "can't set immutable config"),
        ("dir", "/tmp", "can't set protected config"),
        ("notify-keyspace-events", "Kq", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        (LIMITS, "normal x", "Wrong number of arguments in buffer limit configuration."),
        (LIMITS, "foo 1 2 3", "Invalid client class specified in buffer limit configuration."),
        (
            LIMITS,
            "normal 1 2 x",
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
        ),
    ],
)
def test_a_value_that_cannot_be_is_refused_in_redis_words(name: str, given: str, why: str) -> None:
    with pytest.raises(CommandError) as caught:
        Config().set([(name, given)])
    assert caught.value.text == FAILED.format(name, why)


def test_all_of_a_change_happens_or_none_and_watchers_hear_of_it_once() -> None:
    config, heard = Config(), list[frozenset[str]]()
    config.watchers.append(heard.append)
    with pytest.raises(CommandError, match=r"CONFIG SET - 'zork'"):
        config.set([("timeout", "1"), ("zork", "2")])
    with pytest.raises(CommandError, match="duplicate parameter"):
        config.set([("timeout", "1"), ("timeout", "2")])
    assert (config.timeout, heard) == (0, [])
    config.set({"timeout": "1", "tcp-keepalive": "2"})
    assert heard == [frozenset({"timeout", "tcp_keepalive"})]
    assert config.get([b"t*"]) == {"timeout": "1", "tcp-keepalive": "2"}


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("zork", "1", "Bad directive"),
        ("port", "abc", "couldn't be parsed"),
        ("port", "65536", "between 0 and 65535"),
    ],
)
def test_before_the_start_a_wrong_parameter_is_an_error_of_settings(name: str, given: str, why: str) -> None:
    with pytest.raises(SettingError, match=why):
        Config().begin(name, given)
