"""c = a + b in the four ways of the founding note, with what passes through the driver in each."""

import numpy as np

import alula
from alula.futures import current
from alula.testing import faults

SIZE = 1_000_000  # float64, so 8 MB


@alula.remote
def make(value: float) -> np.ndarray:
    return np.full(SIZE, value)


@alula.remote
def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a + b


def through(ref: alula.ObjectRef[np.ndarray]) -> alula.ObjectRef[np.ndarray]:
    """Bring a value to the driver, and send it on from there."""
    return alula.put(alula.get(ref))


def one_after_the_other() -> alula.ObjectRef[np.ndarray]:
    a = through(make.remote(1.0))
    return add.remote(a, through(make.remote(2.0)))


def one_stays() -> alula.ObjectRef[np.ndarray]:
    a = make.remote(1.0)
    alula.wait([a])
    return add.remote(a, through(make.remote(2.0)))


def both_come() -> alula.ObjectRef[np.ndarray]:
    a, b = make.remote(1.0), make.remote(2.0)
    return add.remote(through(a), through(b))


def both_stay() -> alula.ObjectRef[np.ndarray]:
    return add.remote(make.remote(1.0), make.remote(2.0))


if __name__ == "__main__":
    alula.init(num_cpus=2)
    for figure, way in zip("abcd", (one_after_the_other, one_stays, both_come, both_stay), strict=True):
        written: list[int] = []  # an entry for each large value that the driver itself writes
        before = current().passed
        with faults({"segment.written": lambda entries=written: entries.append(SIZE * 8)}):
            c = way()
            alula.wait([c])
        print(f"{figure}) {sum(written) / 1e6:3.0f} MB written, {current().passed - before:6,} B on sockets")
        assert (alula.get(c) == 3.0).all()
    alula.shutdown()
