"""Each page as everybody can use it: axe-core finds no barrier, light and dark, wide and narrow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

import alula
from alula import workflow
from alula.workflow import WorkflowExecutionError, wait_for_signal
from tests.web.browser import barriers, sideways
from tests.web.conftest import serving
from tests.workflow.bodies import add, exp_remote, fail_unless

PAGES = (
    "/",
    "/workflows",
    "/workflows?status=FAILED",
    "/workflows?id=nobody-has-this",
    "/workflow/good",
    "/workflow/bad",
    "/workflow/waits",
    "/workflow/good?part=timeline",
    "/workflow/bad?part=tasks",
    "/workflow/good?part=values",
    "/workflow/good?part=log",
    "/workflow/bad?task=broken",
    "/workflow/nobody-has-this",
    "/nothing",
)


@alula.remote
def picture(size: int) -> Any:
    return (np.indices((size, size)).sum(0) % 255).astype(np.uint8)


@pytest.fixture(scope="module")
def filled(board: str) -> str:
    """Put something of each kind into the store: what runs, what is broken, what waits."""
    workflow.run(picture.bind(16), workflow_id="good")
    broken = fail_unless.options(**workflow.options(task_id="broken")).bind(Path("/nowhere"), 1)
    with pytest.raises(WorkflowExecutionError):
        workflow.run(add.bind(broken, exp_remote.bind(1, 2)), workflow_id="bad")
    workflow.run_async(add.bind(wait_for_signal("never")), workflow_id="waits")
    return board


@pytest.fixture(
    scope="module", params=[("light", 1440), ("dark", 390)], ids=["light and wide", "dark and narrow"]
)
def window(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    scheme: Literal["light", "dark"]
    scheme, width = request.param
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("path", PAGES)
def test_nothing_on_a_page_is_in_anybodys_way(filled: str, window: Page, path: str) -> None:
    window.goto(filled + path)
    assert barriers(window) == []
    assert sideways(window) == 0
    assert window.locator("h1").count() == 1


def test_the_theme_is_switched_and_kept(filled: str, window: Page) -> None:
    window.goto(filled)
    switch = window.locator("[data-theme-switch]")
    switch.click()
    switch.click()
    assert window.locator("html").get_attribute("data-theme") == "dark"
    window.goto(f"{filled}/workflows")
    assert window.locator("html").get_attribute("data-theme") == "dark"
    assert barriers(window) == []


def test_a_page_needs_no_script(filled: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{filled}/workflows")
    page.get_by_role("link", name="bad").first.click()
    assert "OddError" in page.locator(".failure").inner_text()
    assert page.get_by_role("button", name="Resume").is_visible()
    context.close()


def test_a_store_in_which_nothing_is_says_what_to_do(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with serving(ALULA_HOME=str(tmp_path_factory.mktemp("empty"))) as api:
        page = browser.new_page()
        page.goto(api.url)
        assert "alula up" in page.locator("main").inner_text()
        assert barriers(page) == []
        page.goto(f"{api.url}/workflows")
        assert "workflow.run" in page.locator(".empty code").inner_text()
        assert barriers(page) == []
        page.close()
