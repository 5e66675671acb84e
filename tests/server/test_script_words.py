"""Whatever words a command has, they are read or refused, and nothing else happens."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from alula.errors import CommandError
from alula.server._script_ops import execute_end, read_script_execute, read_script_run
from alula.server._script_store import read_script_set, read_script_store
from alula.server._store import read_set, read_store

T = TypeVar("T")

WORDS = st.sampled_from(
    [
        *(
            b"KEYS",
            b"INPUTS",
            b"ARGS",
            b"OUTPUTS",
            b"TIMEOUT",
            b"$",
            b"|>",
            b"TAG",
            b"SOURCE",
            b"ENTRY_POINTS",
        ),
        *(b"ONNX", b"TF", b"CPU", b"GPU:1", b"BLOB", b"BATCHSIZE", b"MINBATCHSIZE", b"MINBATCHTIMEOUT"),
        *(b"-1", b"0", b"1", b"2", b"9", b"9223372036854775807", b"", b"\xff", b"x"),
    ]
)


class Anything:
    def script(self, key: bytes) -> None:
        pass


def read(reader: Callable[[list[bytes]], T], words: list[bytes]) -> T | None:
    """What was read, unless that was refused."""
    try:
        return reader([b"", *words])
    except CommandError:
        return None


@given(st.lists(WORDS, max_size=14), st.booleans())
def test_words_of_scripts_are_read_or_refused(words: list[bytes], in_dag: bool) -> None:
    for reader in (read_script_execute, read_script_run):
        found = read(partial(reader, look=Anything(), in_dag=in_dag), words)
        if found is not None:
            assert {*found.inputs, *found.outputs, *found.keys, *found.args} <= {*words}


@given(st.lists(WORDS, min_size=7, max_size=16))
def test_words_of_what_is_stored_are_read_or_refused(words: list[bytes]) -> None:
    for store in (read_store, read_set):
        model = read(store, words)
        assert model is None or model.device == words[2]
    for keep in (read_script_store, read_script_set):
        script = read(keep, words)
        assert script is None or (script.device == words[1] and script.source in words)


@given(st.lists(WORDS, max_size=14))
def test_a_command_that_can_be_read_is_skipped_whole(words: list[bytes]) -> None:
    command = [b"SCRIPTEXECUTE", b"s", b"f", *words]
    try:
        read_script_execute(command, Anything(), in_dag=True)
    except CommandError:
        return
    assert execute_end(command, 0) == len(command)
