"""What AI.INFO says of a model or script: how often it ran, for how long, and how often that failed.

The counts belong to the value under the key. So they begin anew when another one is stored there, go
along when the key is renamed, vanish with it in whatever way it goes, and a run that outlives its
model does not count for the next one.
"""

__all__ = ["Counts"]


class Counts:
    """Four numbers, and the runs that go on; changed on the server's thread before a run's reply leaves.

    Attributes
    ----------
    duration
        Seconds of the backend's calls that succeeded.
    samples
        First dimensions of their first outputs, summed up; -1 of a script.
    calls
        Runs that have ended, in whatever way.
    errors
        Those of them that failed.
    """

    __slots__ = ("_begun", "calls", "duration", "errors", "samples")

    def __init__(self, *, samples: int = 0) -> None:
        self.duration = 0.0
        self.samples = samples
        self.calls = self.errors = 0
        self._begun: list[float] = []  # when the runs did that go on

    def begin(self, now: float) -> None:
        """Take note that a run begins, if it is not over at once."""
        self._begun.append(now)

    def end(self, begun: float) -> None:
        """Take note that the run is over that began then."""
        self._begun.remove(begun)

    def duration_at(self, now: float) -> float:
        """Give the duration with what has passed of the runs that go on: so one without end can be seen."""
        return self.duration + sum([now - begun for begun in self._begun])

    def note(self, seconds: float, samples: int, *, failed: bool) -> None:
        """Count a run. Of one that failed, and of a script, the samples count for nothing."""
        self.calls += 1
        if failed:
            self.errors += 1
            return
        self.duration += seconds
        if self.samples >= 0:
            self.samples += samples

    def reset(self) -> None:
        """Begin anew."""
        self.duration = 0.0
        self.samples = min(self.samples, 0)
        self.calls = self.errors = 0
