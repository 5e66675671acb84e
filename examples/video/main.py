"""A shaking video is made steady: decode, match blocks, add up, smooth; with each frame's latency."""

from time import monotonic

import numpy as np

import alula

FRAMES, SIZE, REACH, WINDOW = 60, 128, 4, 9  # REACH: pixels of motion that are looked for


class _Decoder:
    def __init__(self) -> None:
        random = np.random.default_rng(1)
        self.scene = random.integers(0, 256, (2 * SIZE, 2 * SIZE)).astype(np.int16)
        self.path = SIZE // 2 + np.cumsum(random.integers(-1, 2, (FRAMES, 2)), axis=0)

    def frame(self, number: int) -> np.ndarray:
        y, x = self.path[number]
        return self.scene[y : y + SIZE, x : x + SIZE]

    def walked(self) -> np.ndarray:
        return self.path - self.path[0]


@alula.remote
def flow(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Match blocks: where in the frame before does the middle of the frame after lie?"""
    middle = after[REACH:-REACH, REACH:-REACH]
    steps = [(y, x) for y in range(-REACH, REACH + 1) for x in range(-REACH, REACH + 1)]
    cut = [before[REACH + y : SIZE - REACH + y, REACH + x : SIZE - REACH + x] for y, x in steps]
    return np.array(steps[int(np.argmin([np.abs(each - middle).sum() for each in cut]))])


@alula.remote
def add(total: np.ndarray, step: np.ndarray) -> np.ndarray:
    return total + step


@alula.remote
def smooth(*path: np.ndarray) -> tuple[np.ndarray, float]:
    return np.mean(path, axis=0) - path[-1], monotonic()


if __name__ == "__main__":
    alula.init(num_cpus=2)
    decoder = alula.remote(_Decoder).remote()
    before, path, started, steady = decoder.frame.remote(0), [alula.put(np.zeros(2, int))], [], []
    for number in range(1, FRAMES):
        started.append(monotonic())
        after = decoder.frame.remote(number)
        path.append(add.remote(path[-1], flow.remote(before, after)))
        before = after
        steady.append(smooth.remote(*path[-WINDOW:]))
        alula.wait(steady, num_returns=max(1, len(steady) - 4))  # a camera is no faster
    assert (np.array(alula.get(path)) == alula.get(decoder.walked.remote())).all()
    latency = [1000 * (end - start) for (_, end), start in zip(alula.get(steady), started, strict=True)]
    print(f"latency: median {np.median(latency):.1f} ms, largest {max(latency):.1f} ms")
    alula.shutdown()
