"""Health: whether what the runtime stands on answers, part by part; nothing is started for it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from .._core._html import grid, status
from .._core._settings import Settings
from ..errors import AlulaError
from ..objects import Catalogs, open_catalogs
from ..store import Executors

__all__ = ["Condition", "Health", "Part", "examine"]

Condition: TypeAlias = Literal["ok", "failed", "pending"]
"""``"pending"``: it answers, and work waits for what nobody has."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was looked at.

    Attributes
    ----------
    name
        ``"store"``, ``"artifacts"``, ``"executors"`` or ``"queue"``.
    condition
        How it is.
    detail
        Where it is, who is there, or why it does not answer.
    """

    name: str
    condition: Condition
    detail: str


@dataclass(frozen=True, slots=True)
class Health:
    """How all parts are; ``health["store"]`` is ``"ok"``, ``"failed"`` or ``"pending"``.

    Attributes
    ----------
    parts
        In the order in which each stands on those before it.
    """

    parts: tuple[Part, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing has failed."""
        return all(part.condition != "failed" for part in self.parts)

    def to_dict(self) -> dict[str, str]:
        """Give the condition of each part by its name."""
        return {part.name: part.condition for part in self.parts}

    def __getitem__(self, name: str) -> Condition:
        return {part.name: part.condition for part in self.parts}[name]

    def __str__(self) -> str:
        return "\n".join([f"{part.name:<10} {part.condition:<8} {part.detail}" for part in self.parts])

    def _repr_html_(self) -> str:
        rows = [(part.name, status(part.condition), part.detail) for part in self.parts]
        return grid("health", ("part", "condition", "detail"), rows)

    def __repr__(self) -> str:
        return f"<health: {', '.join([f'{part.name} {part.condition}' for part in self.parts])}>"


Queues: TypeAlias = Callable[[], Mapping[str, Sequence[Mapping[str, Any]]]]


def examine(settings: Settings, queues: Queues) -> Health:
    """Look at the parts; what stands on one that has failed is not looked at.

    Parameters
    ----------
    queues
        Tells what waits, as `Runtime.queues` does.
    """
    return Health(tuple(_parts(settings, queues)))


def _parts(settings: Settings, queues: Queues) -> Iterator[Part]:
    opened: list[Catalogs] = []

    def store() -> str:
        opened.append(open_catalogs(settings))
        return _unnamed(settings.store)

    def artifacts() -> str:
        opened[0].probe()
        return settings.artifacts

    yield _part("store", store)
    if opened:
        with opened[0]:
            yield _part("artifacts", artifacts)
            alive = [info for info in Executors(opened[0].store).alive() if info.claims]
        told = ", ".join([f"{info.name} ({', '.join(info.labels)})" for info in alive])
        yield Part("executors", "ok", told or "tasks run in the process that submits them")
        lacking = [label for label, waits in queues().items() if any(not each["workers"] for each in waits)]
        why = f"nobody takes what waits for {', '.join(lacking)}" if lacking else "nothing waits in vain"
        yield Part("queue", "pending" if lacking else "ok", why)


def _part(name: str, look: Callable[[], str]) -> Part:
    try:
        return Part(name, "ok", look())
    except (AlulaError, OSError) as error:
        return Part(name, "failed", str(error))


def _unnamed(url: str) -> str:
    """Leave the password out of a URL."""
    before, at, rest = url.rpartition("@")
    user = before.rpartition(":")[0]
    return f"{user}:***@{rest}" if at and "://" in before and user.count(":") else url
