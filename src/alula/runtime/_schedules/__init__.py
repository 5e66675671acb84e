"""When tasks are to run again and again: schedules as people write them."""

from ._schedule import Schedule

__all__ = ["Schedule"]
