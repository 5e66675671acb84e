"""What a script's operation does on its device."""

from collections.abc import Sequence
from dataclasses import dataclass

from ._models import Stop
from ._resident import Value
from ._scripts import Invocation, Script
from ._work import Work, at

__all__ = ["RunScript"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunScript(Work):
    """Call a function of a script.

    Attributes
    ----------
    invocation
        Which, and with what besides the tensors.
    """

    kind = "SCRIPT"
    may_call = True

    invocation: Invocation

    def run(self, target: Script, inputs: Sequence[Value], stop: Stop | None) -> tuple[Value, ...]:
        """Call the function on what it can read."""
        outputs = target.run(self.invocation, at(target.program.home, inputs))
        self.fetch(outputs)
        return outputs

    def calls(self, target: Script) -> bool:
        """Ask the script."""
        return target.program.calls
