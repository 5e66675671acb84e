"""The listeners under the name that they have in Ray Workflows."""

from ._events import EventListener, TimerListener

__all__ = ["EventListener", "TimerListener"]
