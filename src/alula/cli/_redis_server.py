"""``alula-server``: the tensor server for launchers that expect the program redis-server.

It has a name of its own because a launcher gives its words to a program: there is no room for a
subcommand in front of them, and in ``alula serve`` they would have to share one grammar with options
that are declared, completed and refused in another way.
"""

import os
import sys
from collections.abc import Sequence

from .._core._version import VERSION
from ..daemon import Serving, log_to, serve
from ..errors import AlulaError
from ..server import REDIS_VERSION, read_launch
from ._terminal import err

__all__ = ["run"]

_HELP = """\
Usage: alula-server [FILE | -] [--NAME VALUE ...] ...
       alula-server --version

Serves tensors, models and scripts over RESP as redis-server with RedisAI does, for programs that start
one: FILE has lines of configuration, '-' reads them from standard input, and --NAME gives one.
    alula-server --port 7000 --appendonly yes --dir /var/lib/tensors
    alula-server --loadmodule redisai.so THREADS_PER_QUEUE 4
People use `alula serve`, which also serves the models that are deployed in the store."""


def run(arguments: Sequence[str]) -> int:
    """Run the program; give its status."""
    if arguments and arguments[0] in ("-v", "--version"):
        print(f"Redis server v={REDIS_VERSION} sha=00000000:0 malloc=libc bits=64 build=alula-{VERSION}")
        return 0
    if arguments and arguments[0] in ("-h", "--help"):
        print(_HELP)
        return 0
    try:
        launch = read_launch(arguments, sys.stdin)
        os.chdir(launch.config.dir)
        launch.config.dir = os.getcwd()
        log_to(launch.log_file, "redis", level=launch.config.loglevel)
        serve(None, Serving(config=launch.config, load_time=launch.load_time, saved=launch.saved))
    except (AlulaError, OSError) as error:
        err().print(f"alula-server: {error}", markup=False, highlight=False, soft_wrap=True)
        return 1
    return 0
