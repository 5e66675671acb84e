"""Who gets in, and what keeps others out: sessions, forms, headers, read-only."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from alula import workflow
from alula.futures import Engine
from tests.web.browser import barriers
from tests.web.conftest import Answer, Api, serving
from tests.workflow.bodies import add

TOKEN, LESS = "who-has-this-may-do-all", "who-has-this-may-look-only"


@pytest.fixture(scope="module")
def guarded(engine: Engine, shared_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    file = tmp_path_factory.mktemp("access") / "api.toml"
    file.write_text(
        f'[tokens.ada]\ntoken = "{TOKEN}"\n'
        f'[tokens.eve]\ntoken = "{LESS}"\n'
        'rules = ["executor/*/list", "workflow/*/list", "workflow/mine/get"]\nbuckets = ["small"]\n'
    )
    workflow.run(add.bind(1, 2), workflow_id="mine")
    workflow.run(add.bind(1, 2), workflow_id="theirs")
    with serving("--access", str(file)) as api:
        yield api


@pytest.fixture(scope="module")
def api(engine: Engine, shared_home: Path) -> Iterator[Api]:
    workflow.run(add.bind(1, 2), workflow_id="mine")
    with serving("--read-only") as api:
        yield api


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def post(api: Api, path: str, fields: str, **headers: str) -> Answer:
    return api("POST", path, fields.encode(), **FORM, **headers)


def entered(api: Api, path: str = "/login") -> tuple[str, str]:
    """Open a page without a cookie; give the cookie that comes with it, and what its forms carry."""
    answer = api("GET", path)
    found = re.search(r'name="csrf" value="([^"]+)"', answer.body.decode())
    return answer.headers["set-cookie"].partition(";")[0], found[1] if found else ""


def test_who_has_no_session_is_asked_for_a_token_and_sent_back(guarded: Api, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{guarded.url}/workflows?status=FAILED")
    assert barriers(page) == []
    page.get_by_label("Token").fill("this-one-does-not-exist")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("No rights come with this token")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{guarded.url}/workflows?status=FAILED")
    [cookie] = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert TOKEN not in cookie["value"]
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    page.goto(guarded.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    page.close()


def test_a_login_is_a_session_of_its_own(guarded: Api) -> None:
    cookie, csrf = entered(guarded)
    answer = post(guarded, "/login", f"csrf={csrf}&token={TOKEN}&next=//evil.example", Cookie=cookie)
    assert (answer.status, answer.location) == (303, "/")
    inside = answer.headers["set-cookie"].partition(";")[0]
    assert inside != cookie
    assert guarded("GET", "/", Cookie=cookie).status == 303
    assert guarded("GET", "/", Cookie=inside).status == 200


def test_the_token_of_programs_opens_no_page_and_a_cookie_no_interface(guarded: Api) -> None:
    assert guarded("GET", "/", Authorization=f"Bearer {TOKEN}").status == 303
    cookie, csrf = entered(guarded)
    answer = post(guarded, "/login", f"csrf={csrf}&token={TOKEN}", Cookie=cookie)
    inside = answer.headers["set-cookie"].partition(";")[0]
    assert guarded("GET", "ping", Cookie=inside).status == 401


def test_a_part_of_a_page_is_not_replaced_by_the_login(guarded: Api) -> None:
    answer = guarded("GET", "/", **{"HX-Request": "true"})
    assert (answer.status, answer.headers["hx-redirect"]) == (401, "/login")


def test_rules_hold_for_pages_and_buttons(guarded: Api, page: Page) -> None:
    page.goto(f"{guarded.url}/login")
    page.get_by_label("Token").fill(LESS)
    page.get_by_role("button", name="Log in").click()
    page.goto(f"{guarded.url}/workflow/mine")
    expect(page.get_by_role("heading", level=1)).to_contain_text("mine")
    assert page.get_by_role("button", name="Resume").count() == 0
    answer = page.goto(f"{guarded.url}/workflow/theirs")
    assert answer is not None
    assert answer.status == 403
    expect(page.locator("main")).to_contain_text("workflow/theirs/get is not available")


@pytest.mark.parametrize("fields", ["", "csrf=", "csrf=wrong", "csrf=%E2%98%83", "csrf"])
def test_a_form_that_is_not_from_a_page_of_ours_is_refused(guarded: Api, fields: str) -> None:
    cookie, _ = entered(guarded)
    answer = post(guarded, "/login", f"{fields}&token={TOKEN}" if fields else "", Cookie=cookie)
    assert answer.status in (400, 403)
    assert post(guarded, "/login", f"csrf=x&token={TOKEN}").status == 403
    assert post(guarded, "/workflow/mine/cancel", "csrf=x", Cookie=cookie).status == 403


def test_what_was_done_is_said_on_the_next_whole_page_and_once(guarded: Api) -> None:
    workflow.run(add.bind(1), workflow_id="done")
    cookie, csrf = entered(guarded)
    inside = post(guarded, "/login", f"csrf={csrf}&token={TOKEN}", Cookie=cookie).headers["set-cookie"]
    cookie = inside.partition(";")[0]
    form = re.search(r'name="csrf" value="([^"]+)"', guarded("GET", "/", Cookie=cookie).body.decode())
    assert form is not None
    answer = post(guarded, "/workflow/done/cancel", f"csrf={form[1]}", Cookie=cookie)
    assert answer.location == "/workflow/done"
    said = "what is recorded stays"
    for headers, found in (({"HX-Request": "true"}, False), ({}, True), ({}, False)):
        page = guarded("GET", answer.location, Cookie=cookie, **headers)
        assert (said in page.body.decode()) is found


def test_what_one_session_has_is_good_in_no_other(guarded: Api) -> None:
    (_, csrf), (cookie, _) = entered(guarded), entered(guarded)
    assert post(guarded, "/login", f"csrf={csrf}&token={TOKEN}", Cookie=cookie).status == 403


def test_a_page_from_elsewhere_sends_no_form(guarded: Api) -> None:
    cookie, csrf = entered(guarded)
    answer = post(
        guarded, "/login", f"csrf={csrf}&token={TOKEN}", Cookie=cookie, Origin="https://evil.example"
    )
    assert answer.status == 403


def test_a_form_may_not_be_of_any_size(guarded: Api) -> None:
    cookie, csrf = entered(guarded)
    assert post(guarded, "/login", f"csrf={csrf}&token={'x' * (1 << 20)}", Cookie=cookie).status == 413


@pytest.mark.parametrize("path", ["/", "/login", "/nothing", "/static/app.css", "/workflow/none"])
def test_every_answer_says_what_a_browser_may_do(api: Api, path: str) -> None:
    headers = api("GET", path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"


def test_a_file_at_an_address_of_its_content_is_kept(api: Api) -> None:
    found = re.search(r'"(/static/app.css[^"]*)"', api("GET", "/").body.decode())
    assert found is not None
    assert "immutable" in api("GET", found[1]).headers["cache-control"]


def test_no_page_holds_a_script_or_a_style_of_its_own(api: Api) -> None:
    for path in ("/", "/workflow/mine", "/workflow/mine?part=timeline"):
        text = api("GET", path).body.decode()
        assert "<style" not in text
        assert " style=" not in text
        assert re.findall(r"<script(?![^>]* src=)", text) == []
        assert re.findall(r" on\w+=", text) == []
        assert "http://" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_read_only_shows_everything_and_does_nothing(api: Api) -> None:
    text = api("GET", "/workflow/mine").body.decode()
    assert "read-only" in text
    assert "<form" not in text
    cookie, csrf = entered(api, "/login")
    answer = post(api, "/workflow/mine/cancel", f"csrf={csrf}", Cookie=cookie)
    assert answer.status == 403
    assert api("PUT", "dataset/new", {"data": {"x": [1]}}).status == 403
    assert api("POST", "workflow/mine/signal/k", {}).status == 403
    assert api("GET", "dataset/").status == 200


def test_what_is_not_there_is_a_page_that_says_so(api: Api) -> None:
    for path in ("/nothing", "/workflow/none", "/workflow/mine?part=none", "/workflow/mine?task=none"):
        answer = api("GET", path)
        assert answer.status == 404
        assert answer.headers["content-type"].startswith("text/html")
    assert api("GET", "/workflows?status=ODD").status == 422
    assert api("GET", "/workflows?since=yesterday").status == 422
    assert api("GET", "/live").status == 422


@pytest.mark.parametrize("path", ["/", "/workflows", "/nowhere", "/static/app.css"])
def test_head_says_what_get_would(api: Api, path: str) -> None:
    whole, head = api("GET", path), api("HEAD", path)
    assert (head.status, head.body) == (whole.status, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]


def test_a_stream_has_no_head(api: Api) -> None:
    assert api("HEAD", "/live?topic=workflows").status == 405
