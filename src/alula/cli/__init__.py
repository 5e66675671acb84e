"""The program ``alula``: thin. Each command parses, calls one public function, and prints.

An error that Alula raises on purpose is one paragraph on standard error, without a traceback, and a
status other than 0: 1 if the work failed, 2 if the command was wrong.
"""

from ._app import app, main, redis_server

__all__ = ["app", "main", "redis_server"]
