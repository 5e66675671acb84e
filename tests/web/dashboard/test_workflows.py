"""What people see of a workflow while it runs, when it has failed, and what they can do about it."""

from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Page, expect

from alula import workflow
from alula.testing import Turnstile
from alula.workflow import WorkflowExecutionError, wait_for_signal
from tests.workflow.bodies import add, exp_remote, fail_unless, held


def box(page: Page, name: str) -> str:
    """Say how the box of a task is drawn: its classes."""
    found = page.locator("#graph g", has_text=name).first.locator("rect").first
    return found.get_attribute("class") or ""


def test_a_graph_is_drawn_while_it_runs_and_comes_to_its_end(
    board: str, page: Page, turnstile: Turnstile
) -> None:
    quick = add.options(**workflow.options(task_id="quick", checkpoint=False)).bind(1)
    last = add.options(**workflow.options(task_id="last")).bind(quick, held.bind(turnstile, 2))
    workflow.run_async(last, workflow_id="live")
    turnstile.arrived()
    page.goto(f"{board}/workflow/live")
    expect(page.locator("#status")).to_contain_text("running")
    assert "volatile" in box(page, "~quick~")
    assert "volatile" not in box(page, "held")
    assert "waiting" in box(page, "last")
    turnstile.let()
    expect(page.locator("#status")).to_contain_text("successful")
    assert "done" in box(page, "last")


def test_what_a_task_makes_appears_without_asking(board: str, page: Page, turnstile: Turnstile) -> None:
    workflow.run_async(exp_remote.bind(held.bind(turnstile, 1), 4), workflow_id="grows")
    turnstile.arrived()
    page.goto(f"{board}/workflow/grows")
    expect(page.locator("#graph rect")).to_have_count(2)
    turnstile.let()
    expect(page.locator("#graph rect")).to_have_count(6)
    expect(page.locator("#graph .grown").first).to_be_attached()


def test_a_broken_task_is_read_mended_and_gone_on_with(board: str, page: Page, tmp_path: Path) -> None:
    flag = tmp_path / "mended"
    with pytest.raises(WorkflowExecutionError):
        workflow.run(add.bind(fail_unless.bind(flag, 1), 1), workflow_id="broken")
    page.goto(board)
    row = page.get_by_role("row", name="broken")
    expect(row).to_contain_text("OddError")
    row.get_by_role("link", name="broken").click()
    expect(page.locator(".failure")).to_contain_text("OddError")
    expect(page.locator(".failure pre")).to_contain_text("raise OddError(code=7)")
    assert "failed" in box(page, "fail_unless")
    flag.touch()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("status").first).to_contain_text("goes on")
    expect(page.locator("#status")).to_contain_text("successful")
    expect(page.locator(".failure")).to_have_count(0)


def test_what_failed_lately_is_done_again_with_one_click(board: str, page: Page, tmp_path: Path) -> None:
    flag = tmp_path / "mended"
    with pytest.raises(WorkflowExecutionError):
        workflow.run(fail_unless.bind(flag, 1), workflow_id="lately")
    flag.touch()
    page.goto(board)
    page.get_by_role("row", name="lately").get_by_role("button", name="Resume").click()
    expect(page.locator("#status")).to_contain_text("successful")


def test_a_task_shows_what_it_took_and_gave_and_is_forked_from(board: str, page: Page) -> None:
    workflow.run(
        add.options(**workflow.options(task_id="sum")).bind(add.bind(20, 1), 21), workflow_id="forked"
    )
    page.goto(f"{board}/workflow/forked")
    page.locator("#graph a", has_text="sum").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("sum")
    expect(page.locator(".preview").first).to_contain_text("42")
    expect(page.locator("main")).to_contain_text("the value of")
    page.get_by_role("button", name="Fork from here").click()
    expect(page.locator("main")).to_contain_text("Forked from")
    expect(page.locator("#status")).to_contain_text("successful")


def test_a_signal_is_sent_by_a_form(board: str, page: Page) -> None:
    workflow.run_async(add.bind(wait_for_signal("go"), 1), workflow_id="signalled")
    page.goto(f"{board}/workflow/signalled")
    page.locator("#signal summary").click()
    page.get_by_label("Key").fill("go")
    page.get_by_label("Payload").fill("41")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#status")).to_contain_text("successful")
    assert workflow.get_output("signalled") == 42


def test_a_workflow_is_cancelled_by_whoever_says_so_twice(board: str, page: Page) -> None:
    workflow.run_async(add.bind(wait_for_signal("never")), workflow_id="cancelled")
    page.goto(f"{board}/workflow/cancelled")
    asked = list[str]()

    def agree(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    page.once("dialog", agree)
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#status")).to_contain_text("canceled")
    assert asked == ["Cancel cancelled?"]
    assert workflow.get_status("cancelled") == workflow.CANCELED


def test_a_list_is_searched_and_read_page_by_page(board: str, page: Page) -> None:
    for i in range(3):
        workflow.run(add.bind(i), workflow_id=f"listed-{i}")
    page.goto(f"{board}/workflows")
    page.get_by_label("Id begins with").fill("listed-")
    page.get_by_label("Status").select_option("SUCCESSFUL")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.locator("tbody tr").first).to_contain_text("listed-2")
    page.get_by_label("Id begins with").fill("unlisted")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("main")).to_contain_text("No workflow is like that")
