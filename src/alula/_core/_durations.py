"""Spans of time as people read them, in a terminal, a notebook or a page."""

__all__ = ["duration"]


def duration(seconds: float) -> str:
    """Write a span of time in one unit or two: ``250 ms``, ``2.0 s``, ``1 min 15 s``, ``3 d 4 h``."""
    if seconds < 0.0005:
        return "< 1 ms"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
