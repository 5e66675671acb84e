"""When tasks are to run again and again: schedules as people write them."""

from ._schedule import Schedule
from ._scheduling import Planned, Scheduling

__all__ = ["Planned", "Schedule", "Scheduling"]
