"""CLIENT TRACKING and its kin: a client says of which keys it keeps copies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ...errors import CommandError
from .._client import Client
from .._resp import Reply, Unordered
from .._tracking import Tracked
from .._words import number, said, shown
from ._table import Command

__all__ = ["PARTS"]


@dataclass(slots=True)
class _Given:
    """What stands behind ON or OFF."""

    redirect: int = 0
    prefixes: list[bytes] = field(default_factory=list)
    said: set[bytes] = field(default_factory=set)


def _tracking(client: Client, words: list[bytes]) -> Reply:
    given = _options(client, words)
    match said(words, 2):
        case b"ON":
            _begin(client, given)
        case b"OFF":
            _end(client)
        case _:
            raise CommandError("ERR syntax error")
    return "OK"


def _options(client: Client, words: list[bytes]) -> _Given:
    given, at = _Given(), 3
    while at < len(words):
        match said(words, at):
            case b"REDIRECT" if at + 1 < len(words):
                at += 1
                if given.redirect:
                    raise CommandError("ERR A client can only redirect to a single other client")
                given.redirect = number(words[at])
                if given.redirect not in client.services.clients:
                    raise CommandError("ERR The client ID you want redirect to does not exist")
            case b"PREFIX" if at + 1 < len(words):
                at += 1
                given.prefixes.append(words[at])
            case (b"BCAST" | b"OPTIN" | b"OPTOUT" | b"NOLOOP") as option:
                given.said.add(option)
            case _:
                raise CommandError("ERR syntax error")
        at += 1
    return given


def _begin(client: Client, given: _Given) -> None:
    bcast = b"BCAST" in given.said
    optin, optout = b"OPTIN" in given.said, b"OPTOUT" in given.said
    before = client.tracked
    _check(given, before)
    _check_prefixes(given.prefixes, before.prefixes if before else ())
    if client.services.foreign is not None:
        raise CommandError(
            "ERR CLIENT TRACKING cannot be had here: ask the Redis behind this server, which has the keys"
        )
    prefixes = dict(before.prefixes) if before else {}
    if bcast:
        prefixes |= dict.fromkeys(given.prefixes or [b""])
    client.tracked = Tracked(
        redirect=given.redirect,
        bcast=bcast,
        prefixes=prefixes,
        optin=optin,
        optout=optout,
        noloop=b"NOLOOP" in given.said,
    )
    client.services.tracking.add(client)
    client.update()


def _check(given: _Given, before: Tracked | None) -> None:
    """Refuse what does not go together, or not with what the client has had before."""
    bcast = b"BCAST" in given.said
    optin, optout = b"OPTIN" in given.said, b"OPTOUT" in given.said
    if given.prefixes and not bcast:
        raise CommandError("ERR PREFIX option requires BCAST mode to be enabled")
    if before is not None and before.bcast != bcast:
        raise _switched("BCAST mode on/off")
    if bcast and (optin or optout):
        raise CommandError("ERR OPTIN and OPTOUT are not compatible with BCAST")
    if optin and optout:
        raise CommandError("ERR You can't specify both OPTIN mode and OPTOUT mode")
    if before is not None and ((optin and before.optout) or (optout and before.optin)):
        raise _switched("OPTIN/OPTOUT mode")


def _switched(what: str) -> CommandError:
    return CommandError(
        f"ERR You can't switch {what} before disabling tracking for this client, "
        "and then re-enabling it with a different mode."
    )


def _check_prefixes(given: Sequence[bytes], before: Sequence[bytes] | dict[bytes, None]) -> None:
    """Refuse two prefixes of which one begins with the other: a key would be told of twice."""
    for at, prefix in enumerate(given):
        for others, which in ((before, "an existing"), (given[at + 1 :], "another provided")):
            for other in others:
                if other.startswith(prefix) or prefix.startswith(other):
                    raise CommandError(
                        f"ERR Prefix '{shown(prefix)}' overlaps with {which} prefix '{shown(other)}'. "
                        "Prefixes for a single client must not overlap."
                    )


def _end(client: Client) -> None:
    if client.tracked is not None:
        client.services.tracking.remove(client)
        client.tracked = None
        client.update()


def _caching(client: Client, words: list[bytes]) -> Reply:
    tracked = client.tracked
    if tracked is None or not (tracked.optin or tracked.optout):
        raise CommandError(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
            "OPTOUT mode enabled"
        )
    match said(words, 2):
        case b"YES" if tracked.optin:
            tracked.caching = True
        case b"NO" if tracked.optout:
            tracked.caching = True
        case (b"YES" | b"NO") as word:
            mode = "OPTIN" if word == b"YES" else "OPTOUT"
            raise CommandError(
                f"ERR CLIENT CACHING {word.decode()} is only valid when tracking is enabled in {mode} mode."
            )
        case _:
            raise CommandError("ERR syntax error")
    return "OK"


def _redirection(client: Client, words: list[bytes]) -> Reply:
    return -1 if client.tracked is None else client.tracked.redirect


def _info(client: Client, words: list[bytes]) -> Reply:
    tracked = client.tracked
    flags = [b"off"] if tracked is None else [b"on", *_flags(tracked)]
    prefixes: list[Reply] = [] if tracked is None else [*sorted(tracked.prefixes)]
    return {
        b"flags": Unordered(tuple(flags)),
        b"redirect": _redirection(client, words),
        b"prefixes": prefixes,
    }


def _flags(tracked: Tracked) -> list[bytes]:
    flags = {
        b"bcast": tracked.bcast,
        b"optin": tracked.optin,
        b"caching-yes": tracked.optin and tracked.caching,
        b"optout": tracked.optout,
        b"caching-no": tracked.optout and tracked.caching,
        b"noloop": tracked.noloop,
        b"broken_redirect": tracked.broken,
    }
    return [name for name, is_so in flags.items() if is_so]


_FLAGS: Final = ("noscript", "loading", "stale")


def _part(
    name: str, run: Callable[[Client, list[bytes]], Reply], least: int, most: int | None = None
) -> Command:
    return Command(name=name, run=run, least=least, most=most, flags=_FLAGS)


PARTS: Final = (
    _part("CACHING", _caching, 3, 3),
    _part("GETREDIR", _redirection, 2, 2),
    _part("TRACKING", _tracking, 3),
    _part("TRACKINGINFO", _info, 2, 2),
)
"""Of CLIENT."""
