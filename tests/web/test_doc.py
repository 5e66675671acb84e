"""The page about REST lists what there is."""

import re
from pathlib import Path
from typing import Any

from alula.web import ACTIONS, Access
from alula.web._app import make_app
from alula.web._call import Site
from alula.web._doc import described

PAGE = Path(__file__).parents[2] / "docs" / "rest.md"


def section(name: str) -> str:
    return PAGE.read_text().partition(f"## {name}\n")[2].partition("\n## ")[0]


def document() -> dict[str, Any]:
    return described(make_app(Site(Access(), 1)))


def test_every_address_and_no_other_is_on_the_page() -> None:
    there = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, operations in document()["paths"].items()
        for method in operations
    }
    assert set(re.findall(r"^\| `([^`]+)`", section("Addresses"), re.MULTILINE)) == there


def test_every_resource_with_its_actions_is_on_the_page() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", section("Who may do what"), re.MULTILINE)
    listed = {name: tuple(re.findall(r"`(\w+)`", actions)) for name, actions in rows}
    assert listed == {name: tuple(sorted(actions)) for name, actions in ACTIONS.items()}
