"""The surroundings of a worker: variables, folder, and the GPUs that it may see.

The node forks each worker; a special one changes its surroundings before anything of the user's runs in it,
and is lent only for tasks that want just the same. Variables that an interpreter or a library reads when it
is loaded (``PYTHONHASHSEED``, ``LD_PRELOAD``) are read already: those have to be given to `init`.
"""

import os
import sys
from pathlib import Path
from typing import Final

from ...errors import RuntimeEnvSetupError, UnsupportedError
from .._options import Frozen

__all__ = ["VISIBLE", "checked", "enter", "merged"]

VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
"""The variable that names the GPUs which a process may see."""

_KNOWN: Final = {"env_vars", "working_dir"}


def checked(what: str, env: Frozen) -> Frozen:
    """Give the runtime environment of a task or an actor back if this engine can provide it.

    Raises
    ------
    UnsupportedError
        If it has a key of Ray's that installs something.
    RuntimeEnvSetupError
        If the folder is none.
    """
    given = dict(env)
    if unknown := sorted(given.keys() - _KNOWN):
        instead = (
            "it installs nothing and knows 'env_vars' and 'working_dir': install what is needed where the "
            "program starts, or use engine='ray'"
        )
        raise UnsupportedError(f"runtime_env[{unknown[0]!r}]", "embedded", instead)
    folder = given.get("working_dir")
    if folder is not None and not (isinstance(folder, str) and Path(folder).is_dir()):
        raise RuntimeEnvSetupError(what, f"working_dir={folder!r} is no folder of this machine")
    if folder is not None:  # wherever it is read, it means the folder as seen from here
        given["working_dir"] = str(Path(folder).absolute())
    return tuple(sorted(given.items()))


def merged(outer: Frozen, inner: Frozen) -> Frozen:
    """Give what a task has that asks for `inner` inside of `outer`: variables one by one, the rest by key."""
    if not (outer and inner):
        return inner or outer
    over, under = dict(inner), dict(outer)
    variables = {**dict(under.get("env_vars", ())), **dict(over.get("env_vars", ()))}
    whole = {**under, **over, **({"env_vars": tuple(sorted(variables.items()))} if variables else {})}
    return tuple(sorted(whole.items()))


def enter(env: Frozen, devices: tuple[str, ...]) -> None:
    """In a new worker: take on these surroundings."""
    given = dict(env)
    if devices:
        os.environ[VISIBLE] = ",".join(devices)
    os.environ.update(given.get("env_vars", ()))
    if (folder := given.get("working_dir")) is not None:
        os.chdir(folder)
        sys.path.insert(0, folder)
