"""Who may do what: rules, the tokens that they belong to, and what holds without any token.

A rule is ``resource/name/action``, each part a pattern as in a shell. Nothing here knows HTTP.
"""

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Self

from ..errors import SettingError, suggest

__all__ = ["ACTIONS", "MODEL_ACTIONS", "TOKEN", "Access", "Rights", "Rule", "is_loopback"]

TOKEN: Final = "ALULA_API_TOKEN"
"""The variable with the token of whoever may do all that the rules on the command line allow."""

MODEL_ACTIONS: Final = (
    "decision_function",
    "fit",
    "fit_transform",
    "gridsearch",
    "partial_fit",
    "predict",
    "predict_proba",
    "score",
    "transform",
)

ACTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "dataset": ("delete", "get", "list", "promote", "put", "tag"),
    "executor": ("list",),
    "experiment": ("get", "list"),
    "job": ("get", "list", "promote", "run", "tag"),
    "model": ("deploy", "get", "list", "promote", "tag", "undeploy", *MODEL_ACTIONS),
    "schedule": ("delete", "list", "pause", "resume", "trigger"),
    "script": ("get", "list", "promote", "run", "tag"),
    "server": ("cancel", "get"),
    "service": ("call",),
    "task": ("list", "result", "resubmit", "revoke", "status"),
    "workflow": ("cancel", "fork", "get", "list", "resume", "signal"),
}
"""What can be done with each kind of resource, as rules name it."""

_READING: Final = frozenset(("get", "list", "result", "status"))  # what changes nothing

_SHORTEST: Final = 16  # characters of a token: what is guessed over a network takes ages even at half of it


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is allowed.

    Attributes
    ----------
    resource, name, action
        Patterns. That of the name is held against the whole name of an object, slashes included, without
        its version or columns.
    """

    resource: str
    name: str = "*"
    action: str = "*"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``resource``, ``resource/name`` or ``resource/name/action``; what is left away is ``*``.

        Raises
        ------
        ValueError
            If there is no such resource, or none of its actions is meant.
        """
        resource, _, rest = text.strip().strip("/").partition("/")
        name, slash, action = rest.rpartition("/")
        if not slash:
            name, action = rest, "*"
        meant = [known for known in ACTIONS if fnmatchcase(known, resource)]
        if not meant:
            raise ValueError(f"{text!r} begins with no resource; {suggest(resource, ACTIONS)}")
        actions = {each for known in meant for each in ACTIONS[known]}
        if not any(fnmatchcase(known, action) for known in actions):
            raise ValueError(f"{text!r} ends with no action; {suggest(action, actions)}")
        return cls(resource, name or "*", action)

    def allows(self, resource: str, name: str, action: str) -> bool:
        """Tell whether it is what this rule is about."""
        parts = ((resource, self.resource), (name, self.name), (action, self.action))
        return all(fnmatchcase(given, pattern) for given, pattern in parts)

    def __str__(self) -> str:
        return f"{self.resource}/{self.name}/{self.action}"


_EVERYTHING: Final = (Rule("*"),)


@dataclass(frozen=True, slots=True)
class Rights:
    """What somebody may do.

    Attributes
    ----------
    who
        For the log.
    rules
        What is allowed; all else is not.
    buckets
        Patterns of the name spaces in which it is.
    reading
        Whether what changes anything is refused, whatever the rules allow.
    """

    who: str
    rules: tuple[Rule, ...] = _EVERYTHING
    buckets: tuple[str, ...] = ("*",)
    reading: bool = False

    def allow(self, resource: str, name: str, action: str) -> bool:
        """Tell whether an action on one object is allowed."""
        return self._is_open(action) and any(rule.allows(resource, name, action) for rule in self.rules)

    def allow_some(self, resource: str, action: str) -> bool:
        """Tell whether the action is allowed on anything at all of that kind."""
        return self._is_open(action) and any(
            fnmatchcase(resource, rule.resource) and fnmatchcase(action, rule.action) for rule in self.rules
        )

    def allow_bucket(self, bucket: str) -> bool:
        """Tell whether a name space may be used."""
        return any(fnmatchcase(bucket, pattern) for pattern in self.buckets)

    def _is_open(self, action: str) -> bool:
        return action in _READING or not self.reading


@dataclass(frozen=True, slots=True)
class Access:
    """The rights of each token, and of whoever shows none.

    Attributes
    ----------
    tokens
        Rights by the SHA-256 of the token in hexadecimal, so that nothing here gives a token away.
    anyone
        The rights without a token; None if there is no way in without.
    """

    tokens: Mapping[str, Rights] = field(default_factory=dict)
    anyone: Rights | None = None

    @classmethod
    def load(cls, rules: Iterable[str] = (), *, file: Path | None = None) -> Self:
        """Read the rules that were given, the token of the environment and the file of tokens.

        Parameters
        ----------
        rules
            Of the token in ``ALULA_API_TOKEN``, or of everybody if there is no token at all; by default
            everything is allowed.
        file
            TOML with a table for each token: ``[tokens.ada]`` with ``token`` or ``sha256``, ``rules``, and
            ``buckets`` if it may not use all.

        Raises
        ------
        SettingError
            If a rule cannot be read, a token is too short, or the file says something else.
        """
        general = _rules(rules, "argument") or _EVERYTHING
        tokens = {} if file is None else _tokens(file)
        if token := os.environ.get(TOKEN):
            tokens[_digest(token, TOKEN, "the environment")] = Rights(TOKEN, general)
        return cls(tokens, None if tokens else Rights("anyone", general))

    def rights(self, token: str | None) -> Rights | None:
        """Give the rights that come with a token; None if there are none."""
        if token is None or not self.tokens:
            return self.anyone
        return self.tokens.get(sha256(token.encode()).hexdigest())

    def refuse_others(self, host: str) -> None:
        """Refuse to let others than this machine in without a token.

        Parameters
        ----------
        host
            The addresses to listen on, with spaces between them.

        Raises
        ------
        SettingError
            If there is no token, and one of them can be reached from elsewhere.
        """
        if self.anyone is not None and not all(map(is_loopback, host.split())):
            why = f"whoever reaches it could run code here: set {TOKEN}, or listen on 127.0.0.1"
            raise SettingError("host", host, why)

    def read_only(self) -> Self:
        """Give the same without all that changes anything."""
        tokens = {digest: replace(rights, reading=True) for digest, rights in self.tokens.items()}
        return replace(self, tokens=tokens, anyone=self.anyone and replace(self.anyone, reading=True))


def _rules(texts: Iterable[str], origin: str) -> tuple[Rule, ...]:
    try:
        return tuple(map(Rule.parse, texts))
    except ValueError as error:
        raise SettingError("rules", list(texts), str(error), origin=origin) from error


def _digest(token: str, setting: str, origin: str) -> str:
    if len(token) < _SHORTEST:
        make = "python -c 'import secrets; print(secrets.token_urlsafe())'"
        why = f"a token has at least {_SHORTEST} characters, as one from {make} has"
        raise SettingError(setting, "***", why, origin=origin)
    return sha256(token.encode()).hexdigest()


def _tokens(file: Path) -> dict[str, Rights]:
    try:
        tables = tomllib.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise SettingError("access", str(file), str(error), origin=str(file)) from error
    made: dict[str, Rights] = {}
    for key, table in tables.items():
        if key != "tokens" or not isinstance(table, dict):
            raise SettingError(key, "", "it has tables [tokens.NAME] and nothing else", origin=str(file))
        for who, facts in table.items():
            digest, rights = _entry(who, facts, str(file))
            made[digest] = rights
    return made


_FIELDS: Final = ("buckets", "rules", "sha256", "token")


def _entry(who: str, facts: Any, origin: str) -> tuple[str, Rights]:
    where = f"tokens.{who}"
    if not isinstance(facts, dict):
        raise SettingError(where, facts, "it is a table with token= and rules=", origin=origin)
    for name in facts:
        if name not in _FIELDS:
            raise SettingError(f"{where}.{name}", "", suggest(name, _FIELDS), origin=origin)
    if ("token" in facts) == ("sha256" in facts):
        raise SettingError(where, "", "it says either token= or sha256=", origin=origin)
    digest = facts.get("sha256") or _digest(str(facts["token"]), where, origin)
    rules = _rules(_texts(facts, "rules", where, origin), origin)
    buckets = tuple(_texts(facts, "buckets", where, origin)) or ("*",)
    return str(digest).lower(), Rights(who, rules or _EVERYTHING, buckets)


def _texts(facts: Mapping[str, Any], name: str, where: str, origin: str) -> list[str]:
    texts = facts.get(name, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise SettingError(f"{where}.{name}", texts, "it is a list of texts", origin=origin)
    return texts


def is_loopback(host: str) -> bool:
    """Tell whether nobody but this machine reaches an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
