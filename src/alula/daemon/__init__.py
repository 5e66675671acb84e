"""What runs for long, composed of the faces: executors, and the tensor server of a store."""

from ._logs import LogFormat, log_to
from ._serve import Serving, serve
from ._signals import End
from ._supervise import Supervisor, inherited, supervise
from ._up import Beside, Facts, up, work

__all__ = [
    "Beside",
    "End",
    "Facts",
    "LogFormat",
    "Serving",
    "Supervisor",
    "inherited",
    "log_to",
    "serve",
    "supervise",
    "up",
    "work",
]
