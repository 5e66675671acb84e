"""Buffers that are freed and taken again are not mapped anew."""

import platform
import resource
import subprocess
import sys

import pytest

PROGRAM = """
import resource
from alula.server._allocator import keep_freed_memory
assert keep_freed_memory()
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
kept = [bytes(8 << 20) for _ in range(3)]
del kept
before = faults()
for _ in range(20):
    kept = [bytes(8 << 20) for _ in range(3)]
    del kept
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what it sets is of glibc alone")
def test_memory_that_was_freed_is_used_again() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    pages = 20 * 3 * (8 << 20) // resource.getpagesize()
    assert int(done.stdout) < pages / 10
