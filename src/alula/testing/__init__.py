"""What tests of Alula, and of programs that use it, are made of: time, faults and order by hand.

The suite that every engine passes is `alula.testing.conformance`; it alone needs pytest.
"""

from ._clock import Clock
from ._faults import fail, fault_environment, faults
from ._turnstile import Turnstile

__all__ = ["Clock", "Turnstile", "fail", "fault_environment", "faults"]
