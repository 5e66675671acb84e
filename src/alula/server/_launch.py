"""The words by which launchers start a redis-server, read for this one.

A line of configuration is a name and its values; on the command line ``--`` stands before the name. What
Redis has and this server does by itself, or never, is passed over: see `_OWN`. What would change the
meaning of what clients read or write, and cannot be had here, is refused by name.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TextIO

from ..errors import SettingError
from ._config import PARAMETERS, Config
from ._load_time import AS_REDISAI, LoadTime
from ._module_settings import module_settings
from ._resp import ProtocolError, split_line

__all__ = ["Launch", "read_launch"]


@dataclass(slots=True, kw_only=True)
class Launch:
    """What a command line asks for.

    Attributes
    ----------
    config
        The parameters, those not given as Redis has them.
    load_time
        What the pairs behind the module's file say; backends are said to lie beside it.
    module_file
        The file that was named as the module; it is not opened.
    log_file
        Where the log goes; empty for standard output.
    saved
        Whether values have to be there again after the end of the process: a file was named for them, or
        times to save at. A redis-server would write such a file when it ends.
    """

    config: Config = field(default_factory=Config)
    load_time: LoadTime = AS_REDISAI
    module_file: str = ""
    log_file: str = ""
    saved: bool = False


def read_launch(arguments: Sequence[str], stdin: TextIO) -> Launch:
    """Read a command line of redis-server, without the program's name.

    Parameters
    ----------
    arguments
        ``[FILE | -] [--name value ...] ...``, as redis-server takes them.
    stdin
        What is read in place of a file for ``-``.

    Raises
    ------
    SettingError
        If a parameter is unknown, not to be had here, or cannot have its value.
    CommandError
        If a setting of the module is wrong; RedisAI's text.
    OSError
        If the file cannot be read.
    """
    launch = Launch()
    rest = list(arguments)
    if rest and not rest[0].startswith("--"):
        name = rest.pop(0)
        text = stdin.read() if name == "-" else Path(name).read_text(errors="surrogateescape")
        _take(launch, _lines(text.splitlines()))
    _take(launch, _options(rest))
    if launch.module_file and not launch.load_time.backends_path:
        beside = Path(launch.module_file).absolute().parent / "backends"
        launch.load_time = replace(launch.load_time, backends_path=str(beside))
    return launch


def _lines(lines: Iterable[str]) -> Iterator[list[str]]:
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            words = split_line(line.encode(errors="surrogateescape"))
        except ProtocolError as error:
            raise SettingError("configuration", line, "Unbalanced quotes in configuration line") from error
        yield [word.decode(errors="surrogateescape") for word in words]


def _options(words: Sequence[str]) -> Iterator[list[str]]:
    line: list[str] = []
    for word in words:
        if word.startswith("--") and len(word) > 2:
            if line:
                yield line
            line = [word[2:]]
        elif line:
            line.append(word)
        else:
            raise SettingError("configuration", word, "Bad directive or wrong number of arguments")
    if line:
        yield line


def _take(launch: Launch, lines: Iterable[list[str]]) -> None:
    for name, *values in lines:
        match name.lower():
            case "loadmodule" if values:
                launch.module_file = values[0]
                launch.load_time = module_settings(values[1:], launch.load_time)
            case "logfile" if len(values) == 1:
                launch.log_file = values[0]
            case "bind" if values:
                launch.config.bind = " ".join(values)
            case known if known in PARAMETERS and values:
                launch.config.begin(known, " ".join(values))
                if known in ("save", "dbfilename"):
                    launch.saved = bool("".join(values))
            case known if known in _REFUSED and values and values[0].lower() not in ("no", "0", ""):
                raise SettingError(known, " ".join(values), _REFUSED[known])
            case known if values and (known in _REFUSED or known in _OWN or known.startswith(_FAMILIES)):
                pass
            case _:
                raise SettingError(name, " ".join(values), "Bad directive or wrong number of arguments")


_REFUSED: Final = {
    "cluster-enabled": "there is no cluster mode",
    "daemonize": "it runs in the foreground; let the system's service manager put it in the background",
    "replicaof": "replication is that of a Redis behind it: --keyspace redis://...",
    "slaveof": "replication is that of a Redis behind it: --keyspace redis://...",
    "tls-port": "there is no TLS; put a proxy in front of it",
    "aclfile": "there are no users but the default one",
    "user": "there are no users but the default one",
    "rename-command": "commands keep their names",
}
"""What cannot be had, and why; the value that means no is taken."""

_OWN: Final = frozenset({
    *("always-show-logo", "appenddirname", "appendfilename", "dynamic-hz", "enable-debug-command"),
    *("enable-module-command", "enable-protected-configs", "hz", "ignore-warnings", "io-threads"),
    *("jemalloc-bg-thread", "loadmodule", "no-appendfsync-on-rewrite", "pidfile", "rdbchecksum"),
    *("rdbcompression", "rdb-del-sync-files", "stop-writes-on-bgsave-error", "supervised", "syslog-enabled"),
    *("tcp-backlog", "tracking-table-max-keys", "unixsocketperm", "maxmemory-samples", "crash-log-enabled"),
})  # fmt: skip
"""How Redis does what it does; this server does it otherwise, and clients see no difference."""

_FAMILIES: Final = (
    *("active-", "activedefrag", "activerehashing", "aof-", "auto-aof-", "hash-", "hll-", "latency-"),
    *("lazyfree-", "lfu-", "list-", "lua-", "busy-reply-", "proc-title-", "rdb-", "repl-", "replica-"),
    *("set-", "slave-", "stream-", "zset-", "cluster-", "locale-", "acl"),
)  # fmt: skip
