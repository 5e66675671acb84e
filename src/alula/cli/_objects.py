"""What the commands about stored objects do: each calls one method of a catalog and shows what it gives."""

import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from .. import runtime
from ..objects import Metadata
from ._arguments import pairs
from ._folder import import_from_here
from ._object_views import frame_view, list_view, metadata_view, size, versions_view
from ._showing import as_text, print_json, refusing, show
from ._terminal import out, working

__all__ = [
    "drop",
    "export",
    "get",
    "import_archive",
    "list_all",
    "metadata",
    "put_dataset",
    "put_job",
    "put_model",
    "put_script",
    "versions",
]


def _catalog(kind: str, bucket: str | None) -> Any:
    return getattr(runtime.bucket(bucket), kind)


def list_all(kind: str, pattern: str | None, *, hidden: bool, bucket: str | None, as_json: bool) -> int:
    """Show the objects of a store."""
    found = _catalog(kind, bucket).list(pattern, hidden=hidden or None, raw=True)
    if as_json:
        print_json([each.to_dict() for each in found])
    else:
        out().print(list_view(found, kind))
    return 0


def metadata(kind: str, name: str, *, bucket: str | None, as_json: bool) -> int:
    """Show what is known of one object."""
    found = _catalog(kind, bucket).resolve(name)
    if as_json:
        print_json(found.to_dict())
    else:
        out().print(metadata_view(found))
    return 0


def versions(kind: str, name: str, *, bucket: str | None, as_json: bool) -> int:
    """Show the versions of one object."""
    found = _catalog(kind, bucket).versions(name)
    if as_json:
        print_json([each.to_dict() for each in found])
    else:
        out().print(versions_view(found))
    return 0


def get(kind: str, name: str, *, to: Path | None, limit: int, bucket: str | None, as_json: bool) -> int:
    """Show an object, or write it."""
    import_from_here()
    with working(f"reading {name}"):
        value = _catalog(kind, bucket).load(name)
    if to is not None:
        with refusing():
            _write(kind, value, to)
        out().print(f"wrote {to}", highlight=False, markup=False)
    elif as_json:
        return show(value, as_json=True)
    elif hasattr(value, "iloc"):
        out().print(frame_view(value.to_frame() if value.ndim == 1 else value, limit))
    elif kind == "jobs":
        out().out("\n\n".join(cell["source"] for cell in value["cells"]), highlight=False)
    else:
        show(value, as_json=False)
    return 0


def drop(kind: str, name: str, *, force: bool, bucket: str | None, as_json: bool) -> int:
    """Remove objects."""
    done = _catalog(kind, bucket).drop(name, force=force, report=True)
    if as_json:
        print_json(done)
        return 0
    gone = [each for each, there in done.items() if there]
    out().print(f"removed {', '.join(gone)}" if gone else "nothing to remove", highlight=False, markup=False)
    return 0


def export(kind: str, name: str, file: Path, *, bucket: str | None, as_json: bool) -> int:
    """Write an object to an archive."""
    with working(f"writing {file}"):
        written = _catalog(kind, bucket).to_archive(name, file)
    if as_json:
        print_json({"file": str(written), "bytes": written.stat().st_size})
    else:
        out().print(Text.assemble("wrote ", (str(written), "bold"), "  ", size(written.stat().st_size)))
    return 0


def import_archive(
    kind: str, file: Path, name: str | None, *, trust: bool, bucket: str | None, as_json: bool
) -> int:
    """Store what an archive holds."""
    with refusing(), working(f"reading {file}"):
        stored = _catalog(kind, bucket).from_archive(file, name, trust=trust)
    return _said(stored, as_json)


def put_dataset(
    source: str,
    name: str,
    *,
    replace: bool,
    append: bool,
    csv: Sequence[str],
    bucket: str | None,
    as_json: bool,
) -> int:
    """Store a file as a dataset."""
    options = pairs(csv, "--csv")
    path = _file(source)
    if options and path.suffix != ".csv":
        raise typer.BadParameter(f"{path.name} is no .csv", param_hint="--csv")
    with refusing(), working(f"storing {path.name}"):
        value = _read(path, options)
        stored = _catalog("datasets", bucket).put(value, name, replace=replace, append=append)
    return _said(stored, as_json)


def put_model(
    source: str, name: str, *, replace: bool, tag: str | None, bucket: str | None, as_json: bool
) -> int:
    """Store what a function gives."""
    import_from_here()
    function = _named(source)
    with refusing(), working(f"storing what {source} gives"):
        stored = _catalog("models", bucket).put(function(), name, replace=replace, tag=tag)
    return _said(stored, as_json)


def put_script(
    source: str, name: str, *, replace: bool, tag: str | None, bucket: str | None, as_json: bool
) -> int:
    """Store a package."""
    address = source if "://" in source else f"pkg://{_file(source).absolute()}"
    with refusing(), working(f"storing {address}"):
        stored = _catalog("scripts", bucket).put(address, name, replace=replace, tag=tag)
    return _said(stored, as_json)


def put_job(source: str, name: str, *, replace: bool, bucket: str | None, as_json: bool) -> int:
    """Store a notebook, or code as one."""
    path = _file(source)
    with refusing():
        text = path.read_text()
        value = import_module("nbformat").reads(text, as_version=4) if path.suffix == ".ipynb" else text
        stored = _catalog("jobs", bucket).put(value, name, replace=replace)
    return _said(stored, as_json)


def _said(stored: Metadata, as_json: bool) -> int:
    if as_json:
        print_json(stored.to_dict())
    else:
        rows = stored.kind_meta.get("rows")
        of = "" if rows is None else f", {rows:,} rows"
        where = f"{stored.prefix}{stored.name}"
        out().print(Text.assemble((where, "bold"), f"  version {stored.version}, {stored.kind}{of}"))
    return 0


def _file(source: str) -> Path:
    path = Path(source).expanduser()
    if not path.exists():
        raise typer.BadParameter(f"there is no file {source}")
    return path


def _read(path: Path, options: dict[str, Any]) -> Any:
    match path.suffix:
        case ".csv":
            return import_module("pandas").read_csv(path, **options)
        case ".parquet":
            return import_module("pandas").read_parquet(path)
        case ".json":
            return json.loads(path.read_text())
    raise typer.BadParameter(f"{path.name} ends with none of .csv, .parquet and .json")


def _named(source: str) -> Any:
    """Give the function of a module by its name."""
    module, _, function = source.replace(":", ".").rpartition(".")
    if not module:
        raise typer.BadParameter(f"{source!r} is no MODULE.FUNCTION")
    try:
        found = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise typer.BadParameter(f"{source} cannot be imported: {error}") from error
    if not callable(found):
        raise typer.BadParameter(f"{source} is no function")
    return found


def _write(kind: str, value: Any, path: Path) -> None:
    if kind == "jobs":
        path.write_text(json.dumps(value, indent=1))
    elif hasattr(value, "iloc") and path.suffix in (".csv", ".parquet"):
        frame = value.to_frame() if value.ndim == 1 else value
        if path.suffix == ".csv":
            frame.to_csv(path, index=type(frame.index).__name__ != "RangeIndex")
        else:
            frame.to_parquet(path)
    elif path.suffix == ".json":
        path.write_text(as_text(value) + "\n")
    else:
        forms = ".csv, .parquet or .json" if hasattr(value, "iloc") else ".json"
        raise typer.BadParameter(f"{path.name}: such an object can be written as {forms}", param_hint="--to")
