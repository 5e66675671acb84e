"""Experiments, objects, schedules and servers, as somebody looks at them and presses buttons."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect
from sklearn.linear_model import LinearRegression

import alula as om
from alula import workflow
from alula._core._settings import Settings
from alula.daemon._serve import deployed
from alula.futures import Engine
from alula.server import Client, Server, background
from tests.server.world import endless
from tests.web.browser import barriers, sideways
from tests.web.conftest import Api, serving

SCRIPTED = (
    "from IPython.display import HTML\nHTML('<p>seen</p><script>top.document.title = \"taken\"</script>')"
)


@om.remote
def nothing() -> None:
    """Be repeated."""


def clean(om: object, x: int) -> int:
    """Be a script."""
    return x


@pytest.fixture(scope="module")
def tensors(shared_home: Path) -> Iterator[Server]:
    """A tensor server with what is deployed in the store."""
    server = Server(port=0)
    with deployed(Settings.load(), server), background(server):
        yield server


@pytest.fixture(scope="module")
def site(tensors: Server, filled: None) -> Iterator[str]:
    """The address of the dashboard of a store in which there is something of each kind."""
    with serving("--server", f"redis://127.0.0.1:{tensors.port}") as api:
        yield api.url


@pytest.fixture(scope="module")
def filled(shared_home: Path, engine: Engine) -> None:
    exp = om.runtime.experiment("team/first")
    for r in (1, 2, 3):
        with exp:
            exp.log_param("model", "tree" if r % 2 else "line")
            for step in range(30):
                exp.log_metric("loss", r * math.exp(-step / 10), step=step)
            exp.log_metric("score", r / 10)
            exp.log_artifact({"n": r}, "note")
    exp.start()
    om.runtime.experiment("empty")
    with (long := om.runtime.experiment("long")):
        for step in range(1002):  # two more than a chart looks at
            long.log_metric("loss", step, step=step)
    om.datasets.put(
        pd.DataFrame({"x": range(100), "when": pd.Timestamp("2026-01-02")}), "points", tag="first"
    )
    om.datasets.put(np.full((8, 8, 3), 200, dtype=np.uint8), "picture")
    om.models.put(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), "line")
    om.scripts.put(clean, "clean")
    om.jobs.create(SCRIPTED, "report")
    om.runtime.job("report").run().get()
    with pytest.warns(UserWarning, match="no living executor"):
        om.runtime.job("report").schedule("daily, at 06:00")
    workflow.schedule("beat", "0 * * * *", nothing)


PAGES = {
    "/experiments": "team/first",
    "/experiment/team/first": "score",
    "/experiment/team/first?where=color": "cannot be read",
    "/compare/team/first?run=1&run=2": "differs",
    "/run/1/team/first": "note",
    "/run/4/team/first": "running",
    "/datasets": "points",
    "/dataset/points": "80 more rows",
    "/dataset/picture": "picture",
    "/models": "LinearRegression",
    "/model/line": "Lineage",
    "/scripts": "clean",
    "/script/clean": "Be a script.",
    "/jobs": "report",
    "/job/report": "outputs",
    "/schedules": "beat",
    "/server": "Slow commands",
}


@pytest.mark.parametrize("path", PAGES)
def test_nothing_on_a_page_is_in_anybodys_way(site: str, page: Page, path: str) -> None:
    page.goto(site + path)
    assert PAGES[path] in page.locator("main").inner_text()
    assert (barriers(page), sideways(page)) == ([], 0)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 800})
    assert (barriers(page), sideways(page)) == ([], 0)


@pytest.mark.parametrize("path", ["/experiment/{}", "/run/1/{}", "/compare/{}?run=1"])
def test_a_chart_says_that_it_does_not_show_all(site: str, page: Page, path: str) -> None:
    notes = [
        "picked evenly" in page.request.get(site + path.format(name)).text()
        for name in ("long", "team/first")
    ]
    assert notes == [True, False]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/experiments?name=nobody", 200, "No experiment"),
        ("/experiment/empty", 200, "no runs yet"),
        ("/run/9/team/first", 404, "run 9"),
        ("/dataset/none", 404, "data/none does not exist"),
        ("/experiment/team/first?where=metrics.score+>+5", 200, "No run passes"),
        ("/experiment/team/first?from=-1", 422, "greater than or equal to 0"),
        ("/compare/team/first?x=color", 422, "step"),
        ("/dataset/points?version=9", 404, "data/points@v9 does not exist"),
        ("/archive/thing/points?version=1", 404, "no sort of object"),
        ("/dataset/points@first", 400, "has a meaning of its own"),
        ("/notebook/none", 404, "does not exist"),
        ("/server/cancel", 405, "Method"),
    ],
)
def test_what_is_not_there_is_said(site: str, page: Page, path: str, status: int, said: str) -> None:
    answer = page.request.get(site + path)
    assert (answer.status, said in answer.text()) == (status, True), answer.text()


def test_runs_are_chosen_and_compared(site: str, page: Page) -> None:
    page.goto(f"{site}/experiment/team/first")
    for run in (1, 2):
        page.get_by_label(f"Compare run {run}").check()
    page.get_by_role("button", name="Compare the chosen runs").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs compared")
    expect(page.locator("[data-chart] canvas")).to_have_count(1)  # one number makes no line
    expect(page.locator(".u-legend").first).to_contain_text("run 2")
    assert "differs" in page.locator("tr", has_text="params.model").inner_text()
    page.get_by_role("link", name="Leave run 2 away").click()
    expect(page.locator("thead")).not_to_contain_text("run 2")


def test_runs_are_sorted_searched_and_shown_in_chosen_columns(site: str, page: Page) -> None:
    page.goto(f"{site}/experiment/team/first")
    page.get_by_role("link", name="score").click()
    expect(page.locator("[aria-sort=descending]")).to_contain_text("score")
    expect(page.locator("tbody th")).to_have_text(["3", "2", "1", "4"])
    page.get_by_label("Runs for which").fill('params.model = "tree"')
    page.locator("summary", has_text="Columns").click()
    page.get_by_label("metrics.loss").uncheck()
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody th")).to_have_text(["3", "1"])
    expect(page.locator("thead")).not_to_contain_text("loss")
    page.get_by_label("Runs for which").fill("color = 3")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert")).to_contain_text("none of metrics.KEY")


def test_a_model_is_deployed_and_its_calls_are_counted(site: str, page: Page, tensors: Server) -> None:
    page.goto(f"{site}/model/line")
    page.get_by_label("Key on the servers").fill("served")
    page.get_by_role("button", name="Deploy v1").click()
    expect(page.get_by_role("status").first).to_contain_text("is being deployed as served")
    page.goto(f"{site}/server")
    expect(page.locator("[data-calls=served]")).to_have_text("0", timeout=60_000)  # it comes by itself
    with Client(f"redis://127.0.0.1:{tensors.port}") as client:
        client.tensorset("x", np.ones((1, 1), "f4"))
        for _ in range(3):
            client.modelexecute("served", ["x"], ["y"])
    expect(page.locator("[data-calls=served]")).to_have_text("3")
    assert "µs" in page.locator("tr", has_text="served").first.inner_text()
    page.goto(f"{site}/model/line")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Undeploy").click()
    expect(page.get_by_role("status").first).to_contain_text("served is not deployed any more")


def test_a_run_in_the_background_is_cancelled(site: str, page: Page, tensors: Server) -> None:
    tensors.deploy("endless", endless())
    with Client(f"redis://127.0.0.1:{tensors.port}") as client:
        client.tensorset("one", np.array(1, "f4"))
        run = client.dag().modelexecute("endless", ["one"], ["~y~"]).submit()
        page.goto(f"{site}/server")
        page.get_by_role("button", name=f"Cancel run {run.id}").click()
        expect(page.get_by_role("status").first).to_have_text(f"Run {run.id} is cancelled")
        assert run.status().state == "cancelled"
    expect(page.locator("main")).to_contain_text("Nothing runs.")


def test_a_dataset_is_previewed(site: str, page: Page) -> None:
    page.goto(f"{site}/dataset/points")
    preview = page.locator(".preview")
    expect(preview).to_contain_text("DataFrame, 100 × 2")  # noqa: RUF001  # the sign for it
    expect(preview).to_contain_text("80 more rows")
    expect(preview.locator("tbody tr").first).to_contain_text("2026-01-02 00:00:00")
    page.goto(f"{site}/dataset/picture")
    assert (page.locator(".preview img").get_attribute("src") or "").startswith("data:image/png")


def test_versions_are_tagged_promoted_and_taken_along(site: str, page: Page, tmp_path: Path) -> None:
    page.goto(f"{site}/dataset/points")
    page.get_by_label("Tag for v1").fill("best")
    page.get_by_role("button", name="Tag").click()
    expect(page.locator("main")).to_contain_text("points v1 is tagged 'best'")
    assert om.datasets.resolve("points@best").version == 1
    page.get_by_label("Copy v1 to the bucket").fill("elsewhere")
    page.get_by_role("button", name="Promote").click()
    expect(page.locator("main")).to_contain_text("points v1 is points v1 in elsewhere")
    assert len(om.runtime.default()["elsewhere"].datasets.load("points")) == 100
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download archive").click()
    coming.value.save_as(tmp_path / "points.alula")
    assert om.datasets.from_archive(tmp_path / "points.alula", "again").kind == "pandas.dfrows"
    page.get_by_label("Copy v1 to the bucket").fill("omegaml")
    page.get_by_role("button", name="Promote").click()
    expect(page.locator("main")).to_contain_text("cannot be promoted to itself")  # and that is no crash


def test_what_a_notebook_shows_can_do_nothing(site: str, page: Page) -> None:
    page.goto(f"{site}/job/report")
    page.get_by_role("link", name="outputs").click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_text("seen", exact=True)).to_be_visible()
    expect(page).not_to_have_title("taken")
    answer = page.request.get(f"{site}{page.locator('iframe').get_attribute('src')}")
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert "<script" not in answer.text()


def test_schedules_are_run_paused_and_deleted(site: str, page: Page) -> None:
    page.goto(f"{site}/schedules")
    page.on("dialog", lambda dialog: dialog.accept())
    row = page.locator("tr", has_text="beat")
    row.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("status").first).to_contain_text("begins now")
    row.get_by_role("button", name="Pause").click()
    expect(row).to_contain_text("paused")
    row.get_by_role("button", name="Resume").click()
    expect(row).to_contain_text("active")
    assert "in " in row.inner_text()
    row.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status").first).to_contain_text("The schedule beat is deleted")
    assert [each.name for each in workflow.list_schedules()] == ["run jobs/omegaml/report"]
    workflow.schedule("beat", "0 * * * *", nothing)


def test_a_rule_holds_for_the_key_and_the_copy_too(filled: None, page: Page) -> None:
    with serving("model/line/*", "dataset/points/*", "*/*/list") as api:

        def post(path: str, **fields: str) -> tuple[int, str]:
            page.goto(f"{api.url}/model/line")
            token = page.locator("[name=csrf]").first.get_attribute("value") or ""
            answer = page.request.post(api.url + path, form={"csrf": token, "version": "1", **fields})
            return answer.status, answer.text()

        for path, fields in (
            ("/deploy/line", {"key": "others"}),
            ("/undeploy/line", {"key": "others"}),
            ("/promote/dataset/points", {"bucket": "omegaml", "asname": "others"}),
            ("/tag/dataset/others", {"tag": "mine"}),
            ("/schedule/delete", {"name": "beat"}),
        ):
            status, text = post(path, **fields)
            assert (status, "is not available" in text) == (403, True), path
        assert post("/tag/dataset/points", tag="mine")[0] == 200
        assert om.datasets.resolve("points@mine").version == 1


def test_what_is_fetched_anew_takes_no_notice_from_the_next_page(site: str, page: Page) -> None:
    page.goto(f"{site}/script/clean")
    token = page.locator("[name=csrf]").first.get_attribute("value") or ""
    address = f"{site}/tag/script/clean"
    page.request.post(address, form={"csrf": token, "version": "1", "tag": "seen"}, max_redirects=0)
    said = "clean v1 is tagged"
    assert said not in page.request.get(f"{site}/schedules", headers={"HX-Request": "true"}).text()
    assert said in page.request.get(f"{site}/schedules").text()
    assert said not in page.request.get(f"{site}/schedules").text()


@pytest.fixture(scope="module")
def reading(filled: None, shared_home: Path) -> Iterator[Api]:
    """A dashboard on which everything may be seen and nothing be done; its server is nowhere."""
    with serving("*/*/get", "*/*/list", "--server", "redis://:secret@127.0.0.1:1") as api:
        yield api


def test_who_may_only_look_has_no_buttons(reading: Api, page: Page) -> None:
    for path in ("/dataset/points", "/model/line", "/schedules", "/server"):
        page.goto(reading.url + path)
        assert page.locator("main form[method=post]").count() == 0, path


def test_who_may_only_look_is_refused(reading: Api, page: Page) -> None:
    answer = page.request.post(f"{reading.url}/schedule/trigger", form={"name": "beat"})
    assert answer.status == 403


def test_a_server_that_is_nowhere_is_said_without_its_password(reading: Api, page: Page) -> None:
    page.goto(f"{reading.url}/server")
    expect(page.locator("main")).to_contain_text("No tensor server answers at 127.0.0.1:1")
    expect(page.locator("main")).to_contain_text("refused")
    assert "secret" not in page.content()


def test_a_page_needs_no_script(site: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/experiment/team/first")
    page.get_by_label("Compare run 1").check()
    page.get_by_role("button", name="Compare the chosen runs").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs compared")
    page.goto(f"{site}/experiment/team/first")
    page.get_by_role("link", name="score").click()
    expect(page.locator("[aria-sort=descending]")).to_contain_text("score")
    context.close()
