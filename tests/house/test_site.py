"""The documentation is built as a site, without a warning, and needs nothing from outside.

To build it takes a dozen seconds, so it is built once, by one test.
"""

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from alula.workflow import WorkflowStatus
from tests.house.source import ROOT, modules

SETTINGS = ROOT / "tools" / "site" / "mkdocs.yml"
OUTSIDE = re.compile(r"<(?!a )[^>]* (?:src|href)=[\"']?(?:https?:)?//[^\"' >]*")
NOWHERE = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "all")}
ALIASES = {  # names of Ray's for what is described elsewhere
    "alula.exceptions",
    "alula.util",
    "alula.workflow.common",
    "alula.workflow.event_listener",
    "alula.workflow.exceptions",
}


def build(folder: Path) -> None:
    """Build the site as `make docs` does, where there is no net."""
    command = ["mkdocs", "build", "--strict", "--config-file", str(SETTINGS), "--site-dir", str(folder)]
    environment = {**os.environ, **NOWHERE, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *command], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def taken_from_elsewhere(site: Path) -> Iterator[str]:
    """Give what a browser would have to fetch from another host to show a page."""
    for page in site.rglob("*.html"):
        yield from OUTSIDE.findall(page.read_text())
    for sheet in site.rglob("*.css"):
        yield from re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//[^)]*", sheet.read_text())


def found(site: Path) -> set[str]:
    """Give the pages that the search knows."""
    index = json.loads((site / "search" / "search_index.json").read_text())
    return {entry["location"].partition("#")[0] for entry in index["docs"]}


def missing_in_the_reference(site: Path) -> Iterator[str]:
    """Give the public names that have no place there.

    What is a module has a page of its own, and what the default instance does is described at its class.
    """
    instances = anchors_of(site / "reference" / "alula.runtime.html")
    for name in modules():
        if "._" in name or name.startswith("alula.cli") or name in ALIASES:
            continue
        module = importlib.import_module(name)
        anchors = anchors_of(site / "reference" / f"{name}.html")
        for each in module.__all__:
            if not isinstance(getattr(module, each), ModuleType | WorkflowStatus):
                places = (f"{name}.{each}", f"alula.runtime.Runtime.{each}", f"alula.runtime.Instance.{each}")
                if not {*places} & (anchors | instances):
                    yield f"{name}.{each}"


def anchors_of(page: Path) -> set[str]:
    return set(re.findall(r' id="([^"]+)"', page.read_text()))


@pytest.mark.timeout(300)  # on a busy machine
def test_the_site_is_whole(tmp_path: Path) -> None:
    build(tmp_path)
    assert [*taken_from_elsewhere(tmp_path)] == []
    assert found(tmp_path) == {str(page.relative_to(tmp_path)) for page in tmp_path.rglob("*.html")} - {
        "404.html"
    }
    assert [*missing_in_the_reference(tmp_path)] == []
    assert "alula-workflow-tail" in anchors_of(tmp_path / "reference" / "commands.html")
