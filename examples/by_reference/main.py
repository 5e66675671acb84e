"""c = a + b, with the bytes that pass through the driver printed for each way to do it."""

import numpy as np

import alula

SIZE = 1_000_000  # float64, so 8 MB


@alula.remote
def make(value: float) -> np.ndarray:
    return np.full(SIZE, value)


@alula.remote
def add(a: np.ndarray, b: np.ndarray) -> float:
    return float((a + b).sum())


def sequential() -> tuple[float, int]:
    a, b = np.full(SIZE, 1.0), np.full(SIZE, 2.0)
    return float((a + b).sum()), 0


def through_the_driver() -> tuple[float, int]:
    a, b = alula.get([make.remote(1.0), make.remote(2.0)])
    return float((a + b).sum()), a.nbytes + b.nbytes


def one_by_reference() -> tuple[float, int]:
    a = alula.get(make.remote(1.0))
    return alula.get(add.remote(a, make.remote(2.0))), a.nbytes


def both_by_reference() -> tuple[float, int]:
    return alula.get(add.remote(make.remote(1.0), make.remote(2.0))), 0


if __name__ == "__main__":
    alula.init(num_cpus=2)
    for way in (sequential, through_the_driver, one_by_reference, both_by_reference):
        total, driver_bytes = way()
        assert total == 3.0 * SIZE
        print(f"{way.__name__:20} {driver_bytes / 1e6:5.0f} MB through the driver")
    alula.shutdown()
