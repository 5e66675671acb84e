"""Large values lie in shared memory, once, and leave it with their last reader."""

import os
import resource
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alula._core._pickle import Parts, unpack
from alula.errors import ObjectStoreFullError
from alula.futures._embedded._memory import here
from alula.futures._embedded._segments import Backing
from alula.futures._embedded._wire import Descriptor
from tests.faults.processes import segments


@given(st.binary(), st.lists(st.binary()))
def test_what_was_written_is_read(body: bytes, buffers: list[bytes]) -> None:
    segment = here.keep(Parts(body, [memoryview(buffer) for buffer in buffers]))
    read = segment.parts()
    assert bytes(read.body) == body
    assert [bytes(buffer) for buffer in read.buffers] == buffers


def test_buffers_are_aligned_and_read_only() -> None:
    segment = here.keep(Parts(b"body", [memoryview(bytes(100)), memoryview(bytes(1000))]))
    for buffer in segment.parts().buffers:
        array = np.frombuffer(buffer, np.uint8)
        assert array.__array_interface__["data"][0] % 64 == 0
        assert not array.flags.writeable


def test_readers_in_one_process_share_the_mapping() -> None:
    segment = here.keep(Parts(b"", [memoryview(bytes(10_000))]))
    first, second = (np.frombuffer(segment.parts().buffers[0], np.uint8) for _ in range(2))
    assert np.shares_memory(first, second)


def test_the_mapping_outlives_the_segment_and_goes_with_the_last_view() -> None:
    before = segments()
    segment = here.keep(Parts(b"", [memoryview(b"x" * 10_000)]))
    view = segment.parts().buffers[0][5:10]
    del segment
    assert bytes(view) == b"xxxxx"
    assert segments() > before
    del view
    assert segments() == before


def test_another_descriptor_of_the_same_file_reads_the_same() -> None:
    segment = here.keep(Parts(b"shared", []))
    other = Backing(Descriptor(os.dup(segment.backing.descriptor.fileno())), 0, segment.size)
    del segment
    assert bytes(unpack(other.view()).body) == b"shared"


def test_memory_that_runs_out_is_an_error_and_leaks_nothing() -> None:
    before = segments()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # a write takes a part, the next one nothing
    try:
        with pytest.raises(ObjectStoreFullError, match="no memory is left"):
            here.keep(Parts(b"", [memoryview(bytes(150_000))]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert segments() == before


def test_whoever_hears_that_a_run_is_gone_cannot_be_given_it_again(tmp_path: Path) -> None:
    """Else another thread could take it at that moment, and use bytes that are somebody else's soon."""
    told: list[Backing | None] = []
    descriptor = Descriptor(os.open(tmp_path, os.O_RDONLY))
    backing = Backing(descriptor, 0, 1, _Source(), lambda source: told.append(known()))
    known = weakref.ref(backing)
    del backing
    assert told == [None]


class _Source:
    in_memory = prompt = True

    def free(self) -> None: ...

    def freeze(self) -> None: ...
