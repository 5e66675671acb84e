"""What the proofs share: their numbers."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Iterator[Callable[[str], None]]:
    """Count one of something; the numbers of all tests stand at the end of the report."""
    numbers: Counter[str] = Counter()

    def add(what: str) -> None:
        numbers[what] += 1

    yield add
    request.node.user_properties += [(f"tried {what}", times) for what, times in numbers.items()]
