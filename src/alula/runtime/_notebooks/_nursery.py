"""The nursery: the process beside a worker that starts its kernels, and ends them when the worker is gone.

It is a program of its own, run by its path, and imports nothing of ours: what it has loaded is in every
kernel that it forks. A kernel of this very Python is a fork, which has IPython imported and has never run
anything; any other is started as its specification says. Requests come as lines of JSON on its standard
input, each answered by a process id. The end of that input is the end of the worker, however it died: then
every kernel is killed.
"""

import atexit
import gc
import json
import os
import shutil
import signal
import sys
import threading
import traceback
from contextlib import suppress
from importlib import import_module
from typing import Any, Final, NoReturn

_LAUNCHER: Final = "ipykernel_launcher"
_LOADED: Final = (  # what a kernel imports until it is ready for its first cell
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "ipykernel.debugger",
    "ipykernel.subshell_manager",
    "IPython.core.completerlib",
    "IPython.extensions.storemagic",
    "sqlite3",
    "tornado.platform.asyncio",
)


def main() -> None:
    """Start kernels until the input ends, then kill those that are left."""
    del sys.path[0]  # the folder of this file
    for module in _LOADED:
        with suppress(ImportError):  # of a version that has it elsewhere, or there are only other kernels
            import_module(module)
    gc.collect()
    gc.freeze()  # so that a fork does not copy what it only counts, and no collection looks at it again
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a kernel that has ended is nobody's zombie
    started: dict[int, str] = {}
    for line in sys.stdin.buffer:
        request = json.loads(line)
        pid = os.fork()
        if not pid:
            _become(request)
        started[pid] = request["folder"]
        os.write(1, b"%d\n" % pid)
    for pid, folder in started.items():
        with suppress(OSError):  # it has ended
            os.killpg(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def _become(request: dict[str, Any]) -> NoReturn:
    """Turn this fork into a kernel, which ends as any program does, by its own exit handlers."""
    os.setsid()  # Ctrl-C in a terminal is not for it, and its own children end with it
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _redirect(os.path.join(request["folder"], "log"))
    os.chdir(request["cwd"])
    os.environ.clear()
    # A kernel looks now and then whether its parent is still this one, in case this one is killed.
    os.environ.update(request["env"], JPY_PARENT_PID=str(os.getppid()))
    argv = request["argv"]
    if argv[0] != sys.executable or _LAUNCHER not in argv:
        os.execvpe(argv[0], argv, os.environ)
    sys.argv = [_LAUNCHER, *argv[argv.index(_LAUNCHER) + 1 :]]
    application: Any = import_module("ipykernel.kernelapp").IPKernelApp
    status = 0
    try:
        application.launch_instance(sys.argv[1:])
    except SystemExit as asked:
        status = asked.code if isinstance(asked.code, int) else int(asked.code is not None)
    except BaseException:  # as the interpreter does
        traceback.print_exc()
        status = 1
    _end(status)


def _end(status: int) -> NoReturn:
    """End as the interpreter would, up to the point where it takes apart all that was ever loaded.

    In a fork that means to copy every page of it first, which costs more than most notebooks do.
    """
    threads: Any = threading  # what it does at the end has no public name
    for step in (threads._shutdown, atexit._run_exitfuncs, sys.stdout.flush, sys.stderr.flush):
        with suppress(Exception):  # there is nobody left to be told
            step()
    os._exit(status)


def _redirect(log: str) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(written)


if __name__ == "__main__":
    main()
