"""``python -m alula.testing.conformance [engine or address ...]``: what each engine passes, counted.

An engine is named as in `init`, ``embedded`` or ``ray``; an address, such as ``ray://host:10001``, is that
of a Ray cluster. Without any, both engines are tried, with two cores. It ends with 1 if a behaviour fails.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import pytest

from ...futures import Engine, current, init, shutdown

__all__ = ["Run", "main"]

# The package is no file of tests to pytest, unless it is told so.
_PLAIN: Final = f"-c {os.devnull} -q -p no:cacheprovider -o python_files=__init__.py"
_CLASS: Final = "-o python_classes=EngineConformance"


class Run:
    """A run of the suite on one engine: a plugin of pytest's that brings the engine, and counts.

    Attributes
    ----------
    name
        The engine, or the address of a Ray cluster.
    counts
        Behaviours by what came of them: ``"passed"``, ``"not supported"``, ``"failed"``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts: Counter[str] = Counter()

    @pytest.fixture(scope="module")
    def engine(self) -> Iterator[Engine]:
        """Start or join it, for as long as the suite runs."""
        if ":" in self.name:
            init(self.name, engine="ray")
        else:
            init(engine=self.name, num_cpus=2)
        yield current()
        shutdown()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count: a test that fails before or after its call has failed, too."""
        if report.failed:
            self.counts["failed"] += 1
        elif report.skipped:
            self.counts["not supported"] += 1
        elif report.when == "call":
            self.counts["passed"] += 1

    def line(self) -> str:
        """Say in a line how many there were."""
        kinds = ", ".join(f"{self.counts[kind]} {kind}" for kind in ("passed", "not supported", "failed"))
        return f"{self.name}: {self.counts.total()} behaviours, {kinds}"


def main(names: Sequence[str], *options: str) -> int:
    """Run the suite on each engine, and print what was counted.

    Parameters
    ----------
    names
        Engines and addresses.
    options
        More for pytest, such as ``-k`` and what is looked for.

    Returns
    -------
    int
        0 if nothing failed, and there were behaviours.
    """
    runs = [Run(name) for name in names]
    suite = [*_PLAIN.split(), *_CLASS.split(), "--pyargs", "alula.testing.conformance"]
    codes = [pytest.main([*suite, *options], plugins=[run]) for run in runs]
    print(*(run.line() for run in runs), sep="\n")
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["embedded", "ray"]))
