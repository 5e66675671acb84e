import subprocess
import sys
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from alula._core._ids import derive, new_id


def test_a_new_id_is_a_uuid_that_was_never_given_before() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(str(UUID(each)) == each for each in ids)


def test_a_derived_key_is_the_same_in_every_process() -> None:
    code = "from alula._core._ids import derive; print(derive('parent', 7), end='')"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout == derive("parent", 7) == "73a0920dc64882a22199"


@given(st.text(max_size=40), st.integers(0, 1 << 40))
def test_a_derived_key_is_twenty_hexadecimal_digits(creator: str, position: int) -> None:
    key = derive(creator, position)
    assert len(key) == 20
    assert set(key) <= set("0123456789abcdef")


def test_keys_of_a_large_family_are_all_different() -> None:
    children = [derive("", i) for i in range(300)]
    assert len({derive(child, i) for child in children for i in range(300)}) == 90_000
