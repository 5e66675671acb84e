"""The server's configuration, in the names and forms that Redis gives it: what CONFIG and command lines set.

Values are read where they count, each time; so what CONFIG SET changes holds from then on. Whoever has
to do something at a change waits in `Config.watchers`. Nothing here acts upon a value.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from ..errors import CommandError, SettingError
from ._config_forms import (
    CHOICES_FSYNC,
    CHOICES_LEVEL,
    CHOICES_POLICY,
    Form,
    OutputLimit,
    choice,
    events,
    memory,
    number,
    output_limits,
    switch,
    text,
)
from ._glob import matcher

__all__ = ["PARAMETERS", "Config", "Parameter"]

_INT: Final = (1 << 31) - 1
_LONG: Final = (1 << 63) - 1


def _of(default: Any, form: Form, *, fixed: str = "") -> Any:
    """Declare a parameter; `fixed` says why CONFIG SET cannot change it."""
    return field(default_factory=lambda: default, metadata={"form": form, "fixed": fixed})


_START: Final = "can't set immutable config"  # it counts only when the server starts
_SAFE: Final = "can't set protected config"  # a client must not choose where the server writes


@dataclass(slots=True, kw_only=True)
class Config:
    """All that can be configured; an attribute's name is Redis' with ``_`` for ``-``.

    Attributes
    ----------
    bind, port, unixsocket
        Where to listen: addresses with blanks between them; port 0 takes a free one; a socket file besides.
    protected_mode
        Whether only this machine's clients are served while nothing else protects the server: no password.
    requirepass
        What clients must say first; empty lets everybody in.
    maxclients
        Connections at one time; the next is told so and closed.
    timeout
        Seconds after which a client that sends nothing is disconnected; 0 is never.
    tcp_keepalive
        Seconds between the system's probes of silent connections; 0 is none.
    maxmemory
        Bytes that values may hold together; 0 is no limit. What is over it is refused, nothing is evicted.
    maxmemory_policy
        ``noeviction``, the only one.
    client_output_buffer_limit
        Bytes of replies or messages that wait for a client that does not read, by class of client.
    client_query_buffer_limit, proto_max_bulk_len
        Bytes of one request, and of one word of it.
    databases
        1: the one that is numbered 0.
    appendonly, appendfsync, dir, dbfilename, save
        Whether and how values survive the process; see `DurableKeyspace`. `dir` is the folder. A snapshot
        is never due by itself, whatever `save` says: every change is written as it happens.
    notify_keyspace_events
        Which events of keys are published, in Redis' letters.
    slowlog_log_slower_than, slowlog_max_len
        Microseconds from which a command stands in SLOWLOG, -1 for none; and how many do.
    loglevel
        How much is logged.
    dag_parallel
        Whether operations of one command that are ready run beside each other.
    dag_async_max, dag_records_max
        Asynchronous runs that have not ended, and those ended that are still remembered.
    watchers
        Called with the names of what CONFIG SET has changed, once all of it is in place.
    """

    bind: str = _of("127.0.0.1", text(), fixed=_START)
    port: int = _of(6379, number(0, 65535), fixed=_START)
    unixsocket: str = _of("", text(), fixed=_START)
    protected_mode: bool = _of(True, switch())
    requirepass: str = _of("", text())
    maxclients: int = _of(10000, number(1, (1 << 32) - 1))
    timeout: int = _of(0, number(0, _INT))
    tcp_keepalive: int = _of(300, number(0, _INT))
    maxmemory: int = _of(0, memory(0, _LONG))
    maxmemory_policy: str = _of("noeviction", choice(CHOICES_POLICY))
    client_output_buffer_limit: Mapping[str, OutputLimit] = _of(
        {
            "normal": OutputLimit(0, 0, 0),
            "slave": OutputLimit(256 << 20, 64 << 20, 60),
            "pubsub": OutputLimit(32 << 20, 8 << 20, 60),
        },
        output_limits(),
    )
    client_query_buffer_limit: int = _of(1 << 30, memory(1 << 20, _LONG))
    proto_max_bulk_len: int = _of(512 << 20, memory(1 << 20, _LONG))
    databases: int = _of(1, number(1, _INT), fixed=_START)
    appendonly: bool = _of(False, switch(), fixed=_START)
    appendfsync: str = _of("everysec", choice(CHOICES_FSYNC))
    dir: str = _of(".", text(), fixed=_SAFE)
    dbfilename: str = _of("keyspace.db", text(), fixed=_SAFE)
    save: str = _of("", text())
    notify_keyspace_events: str = _of("", events())
    slowlog_log_slower_than: int = _of(10000, number(-1, _LONG))
    slowlog_max_len: int = _of(128, number(0, _LONG))
    loglevel: str = _of("notice", choice(CHOICES_LEVEL))
    dag_parallel: bool = _of(True, switch())
    dag_async_max: int = _of(10000, number(0, _INT))
    dag_records_max: int = _of(10000, number(0, _INT))
    watchers: list[Callable[[frozenset[str]], None]] = field(default_factory=list)

    def get(self, patterns: Iterable[bytes]) -> dict[str, str]:
        """Give the parameters whose names match one of the patterns, as CONFIG GET writes them."""
        found = [matcher(pattern.lower()) for pattern in patterns]
        return {
            name: parameter.form.write(getattr(self, parameter.attribute))
            for name, parameter in PARAMETERS.items()
            if any(matches(name.encode()) for matches in found)
        }

    def set(self, pairs: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
        """Change parameters as CONFIG SET does: all of them, or none.

        Raises
        ------
        CommandError
            If one is unknown, given twice, fixed, or has a value that it cannot have; Redis' text.
        """
        values: dict[str, Any] = {}
        for name, given in pairs.items() if isinstance(pairs, Mapping) else pairs:
            parameter = PARAMETERS.get(name.lower())
            if parameter is None:
                raise CommandError(f"ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
            try:
                if parameter.fixed:
                    raise ValueError(parameter.fixed)
                if parameter.attribute in values:
                    raise ValueError("duplicate parameter")
                values[parameter.attribute] = self._read(parameter, given)
            except ValueError as error:
                why = f"ERR CONFIG SET failed (possibly related to argument '{name}') - {error}"
                raise CommandError(why) from error
        for attribute, value in values.items():
            setattr(self, attribute, value)
        for watcher in self.watchers:
            watcher(frozenset(values))

    def begin(self, name: str, given: str) -> None:
        """Set a parameter before the server starts, from a command line; fixed ones as well.

        Raises
        ------
        SettingError
            If there is no such parameter, or it cannot have that value.
        """
        parameter = PARAMETERS.get(name.lower())
        if parameter is None:
            raise SettingError(name, given, "Bad directive or wrong number of arguments")
        try:
            setattr(self, parameter.attribute, self._read(parameter, given))
        except ValueError as error:
            raise SettingError(name, given, str(error)) from error

    def _read(self, parameter: "Parameter", given: str) -> Any:
        value = parameter.form.read(given)
        if isinstance(value, dict):  # of limits: the classes that are not named keep theirs
            return {**getattr(self, parameter.attribute), **value}
        return value


@dataclass(frozen=True, slots=True)
class Parameter:
    """What is known of a parameter beside its value.

    Attributes
    ----------
    attribute
        Of `Config`, where its value stands.
    form
        How it is read and written.
    fixed
        Why CONFIG SET cannot change it; empty if it can.
    """

    attribute: str
    form: Form
    fixed: str


PARAMETERS: Final[Mapping[str, Parameter]] = {
    item.name.replace("_", "-"): Parameter(item.name, item.metadata["form"], item.metadata["fixed"])
    for item in fields(Config)
    if item.metadata
}
"""Every parameter by the name that Redis gives it."""
