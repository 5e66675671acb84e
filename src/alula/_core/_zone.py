"""The time zone of this machine, by its name: the offset alone does not tell when clocks are changed."""

import os
from pathlib import Path

__all__ = ["check_zone", "local_zone"]

_LINK = Path("/etc/localtime")
_FILE = Path("/etc/timezone")


def check_zone(name: object) -> str:
    """Give the name of a time zone that is known here.

    Raises
    ------
    TypeError, ValueError
        If it is no text, or no such name.
    """
    if not isinstance(name, str):
        raise TypeError("must be text")
    from zoneinfo import ZoneInfo  # here, for most do not say one

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError("must be the name of a time zone, such as 'Europe/Vienna'") from error
    return name


def local_zone(link: Path = _LINK, file: Path = _FILE) -> str:
    """Give the name of this machine's time zone; ``"UTC"`` if it has none that is known."""
    _, _, linked = str(link.resolve()).rpartition("zoneinfo/")
    written = file.read_text().strip() if file.is_file() else ""
    for name in (os.environ.get("TZ", "").removeprefix(":"), linked, written):
        if name and not name.startswith("/"):
            try:
                return check_zone(name)
            except ValueError:  # such as CET-1CEST, which has rules but no name
                continue
    return "UTC"
