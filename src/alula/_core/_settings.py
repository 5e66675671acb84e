"""Where every setting comes from: an argument, the environment, a file, or the default.

The order is: argument > ``ALULA_*`` > ``./alula.toml`` > ``$ALULA_HOME/alula.toml`` > default. An unknown
name is refused with the nearest known one, wherever it stands; an empty variable counts as not set.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

from ..errors import SettingError, suggest
from ._zone import check_zone

__all__ = ["Durability", "Pickles", "Settings", "Where"]

Where = Literal["auto", "here", "queue"]
Durability = Literal["normal", "full"]
Pickles = Literal["trusted", "last", "none"]

_NOT_SETTINGS = {
    "ALULA_API_TOKEN",
    "ALULA_FAULTS",
    "ALULA_REQUIREPASS",
    "ALULA_RUN",
    "ALULA_SIGNING_KEY",
    "ALULA_TASK",
}  # read elsewhere, and secrets have no place in the records of tasks
_KEY_SIZE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that can be chosen about one Alula, frozen.

    Attributes
    ----------
    home
        Folder for everything that has no place of its own; the user's data folder by default.
    store
        SQLAlchemy URL of metadata and records; ``sqlite:///<home>/alula.db`` by default.
    artifacts
        fsspec URL or folder of large values; ``<home>/artifacts`` by default.
    engine
        ``"embedded"`` or ``"ray"``: what runs tasks.
    address
        Where a running engine is to be joined; None starts one.
    where
        Who executes durable work: ``"auto"``, ``"here"`` or ``"queue"``.
    durability
        ``"normal"`` survives the death of any process, ``"full"`` also the loss of power.
    labels
        What the executor of this process can do; ``("default",)`` by default.
    bucket
        Name space of stored objects.
    num_cpus
        Worker processes to run at once; None is the number of cores.
    num_gpus
        GPUs to share out; None is all that are found, or that ``CUDA_VISIBLE_DEVICES`` names.
    object_store_memory
        Bytes of shared memory for large values; None is 30 % of the machine's memory.
    pickles
        Whether stored objects may be pickles: ``"trusted"``, those that this key has sealed; ``"last"``, only
        where there is no safe form, however slow; ``"none"``.
    sources
        Patterns of the addresses that the packages of scripts may come from, such as
        ``"pypi://*"``; none by default.
    timeline
        Whether the way of each task is recorded, beside when it ran: submitted, ready, sent, answered.
    timezone
        In which schedules of the runtime are read: ``"Europe/Vienna"``; empty for the machine's own.
    """

    home: Path = field(default_factory=lambda: _default_home())
    store: str = ""
    artifacts: str = ""
    engine: str = "embedded"
    address: str | None = None
    where: Where = "auto"
    durability: Durability = "normal"
    labels: tuple[str, ...] = ("default",)
    bucket: str = "omegaml"
    num_cpus: int | None = None
    num_gpus: int | None = None
    object_store_memory: int | None = None
    pickles: Pickles = "trusted"
    sources: tuple[str, ...] = ()
    timeline: bool = False
    timezone: str = ""

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Read all sources, the given values first; None means not given.

        Raises
        ------
        SettingError
            If a name is unknown or a value cannot be used; says which and from where.
        """
        given = {name: value for name, value in given.items() if value is not None}
        merged: dict[str, tuple[object, str]] = {}
        for values, origin in _sources(given):
            for name, value in values.items():
                merged[name] = (_checked(name, value, origin), origin)
        made = cls(**{name: value for name, (value, _) in merged.items()})  # type: ignore[arg-type]  # checked one by one
        folder = made.home.expanduser().absolute()
        return replace(
            made,
            home=folder,
            store=made.store or f"sqlite:///{folder / 'alula.db'}",
            artifacts=made.artifacts or str(folder / "artifacts"),
        )

    def environment(self) -> dict[str, str]:
        """Give the variables from which another process loads these very settings."""
        said = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            f"ALULA_{name.upper()}": ",".join(value) if isinstance(value, tuple) else str(value).strip()
            for name, value in said.items()
            if value is not None
        }

    def signing_key(self) -> bytes:
        """Give the key that seals stored pickles, making it at the first use.

        Returns
        -------
        bytes
            ``ALULA_SIGNING_KEY`` as UTF-8, else the 32 bytes of ``<home>/keys/signing`` (mode 600).

        Raises
        ------
        SettingError
            If the file cannot be read or made, or is too short.
        """
        if text := os.environ.get("ALULA_SIGNING_KEY"):
            return text.encode()
        path = self.home / "keys" / "signing"
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            key = _make_key(path)
        except OSError as error:
            raise SettingError("home", str(self.home), f"cannot read {path}: {error}") from error
        if len(key) < _KEY_SIZE:  # with an empty key, anybody could sign
            raise SettingError("home", str(self.home), f"{path} is damaged: it must hold {_KEY_SIZE} bytes")
        return key


def _make_key(path: Path) -> bytes:
    """Write a new key so that of two processes starting at once both read the same one."""
    draft = path.with_name(f"signing.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(os.urandom(_KEY_SIZE))
            file.flush()
            os.fsync(file.fileno())  # before it has its name, or a loss of power leaves an empty key
        try:
            os.link(draft, path)  # fails if the other process was first, and then its key counts
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return path.read_bytes()
    except OSError as error:
        raise SettingError(
            "home",
            str(path.parents[1]),
            f"cannot write {path}: {error.strerror}; set ALULA_HOME to a folder that can be written",
        ) from error


def _default_home() -> Path:
    # platformdirs costs 3 ms and is asked only when nobody said where.
    from platformdirs import user_data_path

    return user_data_path("alula", appauthor=False)


def _sources(given: Mapping[str, object]) -> Iterator[tuple[Mapping[str, object], str]]:
    """Give the sources, the weakest first; the weakest lies in the home that the others choose."""
    environment = {
        variable.removeprefix("ALULA_").lower(): value
        for variable, value in os.environ.items()
        if variable.startswith("ALULA_") and variable not in _NOT_SETTINGS and value
    }
    stronger = [
        _file(Path("alula.toml")),
        (environment, "the environment (ALULA_*)"),
        (given, "argument"),
    ]
    homes = [_checked("home", values["home"], origin) for values, origin in stronger if "home" in values]
    home = Path(str(homes[-1])) if homes else _default_home()
    yield _file(home.expanduser() / "alula.toml")
    yield from stronger


def _file(path: Path) -> tuple[Mapping[str, object], str]:
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}, str(path)
    except OSError as error:
        raise SettingError("alula.toml", str(path), str(error), origin=str(path)) from error
    import tomllib  # here, for most have no such file

    try:
        return tomllib.loads(text.decode()), str(path.absolute())
    except ValueError as error:  # no TOML, or no UTF-8
        raise SettingError("alula.toml", str(path), str(error), origin=str(path)) from error


def _checked(name: str, value: object, origin: str) -> object:
    known = {f.name for f in fields(Settings)}
    if name not in known:
        raise SettingError(name, value, "there is no such setting; " + suggest(name, known), origin=origin)
    try:
        return _CONVERT.get(name, _text)(value)
    except (TypeError, ValueError) as error:
        raise SettingError(name, value, str(error), origin=origin) from error


def _text(value: object) -> str:
    if not isinstance(value, (str, Path)):
        raise TypeError("must be text")
    return str(value)


def _number(least: int) -> Any:
    def convert(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise TypeError("must be a whole number")
        try:
            number = int(value)
        except ValueError:
            raise ValueError("must be a whole number") from None
        if number < least:
            raise ValueError(f"must be at least {least}")
        return number

    return convert


def _one_of(*allowed: str) -> Any:
    def convert(value: object) -> str:
        if value not in allowed:
            raise ValueError("must be one of " + ", ".join(map(repr, allowed)))
        return str(value)

    return convert


def _texts(value: object) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise TypeError("must be text, or a list of texts")
    return tuple(part.strip() for part in parts if part.strip())


def _labels(value: object) -> tuple[str, ...]:
    labels = _texts(value)
    if not labels:
        raise ValueError("must name at least one label")
    return labels


def _yes_or_no(value: object) -> bool:
    if isinstance(value, bool):
        return value
    known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if not isinstance(value, str) or value.lower() not in known:
        raise ValueError("must be true or false")
    return known[value.lower()]


_CONVERT: dict[str, Any] = {
    "home": lambda value: Path(_text(value)),
    "engine": _one_of("embedded", "ray"),
    "where": _one_of(*get_args(Where)),
    "durability": _one_of(*get_args(Durability)),
    "pickles": _one_of(*get_args(Pickles)),
    "sources": _texts,
    "labels": _labels,
    "num_cpus": _number(1),
    "num_gpus": _number(0),
    "object_store_memory": _number(1 << 20),
    "timeline": _yes_or_no,
    "timezone": check_zone,
}
