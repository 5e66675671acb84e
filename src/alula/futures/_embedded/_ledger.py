"""The node's book of resources: what there is, what is free, and which GPU is whose.

Of most resources only the amount matters. GPUs have names: whole ones are free as a whole or not at all, and
shares are put together on as few as possible.
"""

from collections.abc import Mapping
from typing import Final

from ._machine import Machine

__all__ = ["Ledger", "fits"]

_EPSILON: Final = 1e-9  # fractions of cores are added and taken away; sums of tenths are not exact


class Ledger:
    """Amounts by name.

    Attributes
    ----------
    total
        All there are.
    free
        What nobody holds now; below 0 for a moment when a task that waited goes on.
    """

    def __init__(self, machine: Machine) -> None:
        self.total = dict(machine.resources)
        self.free = dict(self.total)
        self._shares = dict.fromkeys(machine.gpus, 1.0)  # of each GPU, what is free

    def fits(self, amounts: Mapping[str, float]) -> bool:
        """Tell whether so much is free now."""
        wanted = amounts.get("GPU", 0)
        return fits(amounts, self.free) and (not wanted or self._chosen(wanted) is not None)

    def _chosen(self, wanted: float) -> tuple[str, ...] | None:
        """Choose GPUs: whole ones in their order, for a share the fullest that has it."""
        if wanted < 1:
            enough = [(left, name) for name, left in self._shares.items() if left + _EPSILON >= wanted]
            return (min(enough, key=lambda found: found[0])[1],) if enough else None
        whole = [name for name, left in self._shares.items() if left + _EPSILON >= 1]
        return tuple(whole[: int(wanted)]) if len(whole) >= wanted else None

    def take(self, amounts: Mapping[str, float]) -> tuple[str, ...]:
        """Hold amounts that fit; give the names of the GPUs that are among them."""
        for name, amount in amounts.items():
            self.free[name] -= amount
        devices = self._chosen(amounts["GPU"]) if "GPU" in amounts else ()
        assert devices is not None
        for device in devices:
            self._shares[device] -= min(1.0, amounts["GPU"])
        return devices

    def give(self, amounts: Mapping[str, float], devices: tuple[str, ...], *, but_cores: bool) -> None:
        """Hold amounts no more; the cores may be free already."""
        for name, amount in amounts.items():
            if not (but_cores and name == "CPU"):
                self.free[name] += amount
        for device in devices:
            self._shares[device] += min(1.0, amounts["GPU"])


def fits(amounts: Mapping[str, float], there: Mapping[str, float]) -> bool:
    """Tell whether amounts are there."""
    return all(there.get(name, 0) + _EPSILON >= amount for name, amount in amounts.items())
