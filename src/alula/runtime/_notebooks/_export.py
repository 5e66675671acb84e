"""Exporting notebooks for people to read, by nbconvert."""

import shutil
from pathlib import Path
from typing import Any, Final

from ..._core._extras import imported
from ...errors import suggest

__all__ = ["check_format", "export"]

_FORMATS: Final = {  # by the word for it: the exporter of nbconvert, the ending of files, further options
    "html": ("HTMLExporter", ".html", {}),
    "htmlbody": ("HTMLExporter", ".html", {"template_name": "basic"}),
    "pdf": ("PDFExporter", ".pdf", {}),
    "slides": ("SlidesExporter", ".slides.html", {}),
}
_PDF: Final = ("pandoc", "xelatex")  # programs
_MEMORY: Final = "memory"


def check_format(name: str) -> None:
    """Raise `ValueError` unless there is such a format."""
    if name not in _FORMATS:
        raise ValueError(f"there is no format {name!r} of notebooks; {suggest(str(name), _FORMATS)}")


def export(notebook: Any, name: str, path: str | Path, format: str) -> Any:  # noqa: A002  # omega-ml's word
    """Turn a notebook into another format; give its content, or the path to which it was written.

    Raises
    ------
    ValueError
        If there is no such format.
    MissingExtraError
        If nbconvert is not installed.
    OSError
        If it cannot be written; or for a PDF, if pandoc or XeLaTeX is not there: says which.
    """
    check_format(format)
    if format == "pdf":
        _check_pdf()
    exporter, ending, options = _FORMATS[format]
    nbconvert = _nbconvert()
    content, _ = getattr(nbconvert, exporter)(**options).from_notebook_node(
        notebook, resources={"metadata": {"name": name.removesuffix(".ipynb")}}
    )
    if path == _MEMORY:
        return content
    target = Path(path)
    if target.is_dir():
        target /= name.removesuffix(".ipynb").replace("/", "_") + ending
    if isinstance(content, bytes):
        target.write_bytes(content)
    else:
        target.write_text(content)
    return target


def _check_pdf() -> None:
    """Refuse to begin what lacks a program at its end."""
    if lacking := [program for program in _PDF if shutil.which(program) is None]:
        raise FileNotFoundError(
            f"a PDF of a notebook is made by {' and '.join(_PDF)}, and {' and '.join(lacking)} is not here: "
            "apt-get install pandoc texlive-xetex, or export it as 'html' and print that"
        )


def _nbconvert() -> Any:
    return imported("nbconvert", "lab", "exporting a notebook")
