"""How the server is run: tokens, rules, browsers, limits, ports, and its document."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import alula as om
from alula.web import ACTIONS
from tests.web.conftest import Api, serving

ADA, OPS = "ada-may-ask-one-model", "ops-may-do-everything"


@pytest.fixture(scope="module")
def guarded(shared_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server with two tokens, for pages of one origin, that takes a megabyte at most."""
    om.models.put(LinearRegression().fit(pd.DataFrame({"x": [0.0, 1]}), [0.0, 1]), "line")
    om.models.put(LinearRegression(), "secret")
    om.datasets.put(pd.DataFrame({"x": [1.0]}), "open")
    om.datasets.put(pd.DataFrame({"x": [1.0]}), "closed")
    file = tmp_path_factory.mktemp("access") / "api.toml"
    file.write_text(
        f'[tokens.ada]\ntoken = "{ADA}"\n'
        'rules = ["model/line/*", "dataset/open/get", "model/*/list"]\nbuckets = ["omegaml"]\n'
        f'[tokens.ops]\ntoken = "{OPS}"\n'
    )
    words = ["--access", str(file), "--cors", "https://good.example", "--max-body", "1", "--host", "0.0.0.0"]
    with serving(*words) as api:
        yield Api(api.url.replace("0.0.0.0", "127.0.0.1"), api.process)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_without_a_token_there_is_no_answer(guarded: Api) -> None:
    for headers in ({}, bearer("another-one-of-that-length"), {"Authorization": f"Basic {OPS}"}):
        answer = guarded("GET", "ping", **headers)
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_token_may_do_what_its_rules_say_and_nothing_else(guarded: Api) -> None:
    data = {"data": {"x": [3]}}
    assert guarded("PUT", "model/line/predict", data, **bearer(ADA)).status == 200
    assert guarded("PUT", "model/line@x/predict", data, **bearer(ADA)).status == 404
    refused = guarded("PUT", "model/secret/predict", data, **bearer(ADA))
    assert (refused.status, refused.json["title"]) == (403, "Forbidden")
    assert "model/secret/predict is not available" in refused.json["detail"]
    assert guarded("DELETE", "dataset/open", **bearer(ADA)).status == 403
    assert guarded("GET", "dataset/", **bearer(ADA)).status == 403
    assert guarded("GET", "model/secret", **bearer(OPS)).status == 200


def test_a_model_is_no_way_round_the_rules_about_datasets(guarded: Api) -> None:
    assert guarded("PUT", "model/line/predict?datax=open", **bearer(ADA)).status == 200
    for path, body in (
        ("model/line/predict?datax=closed", None),
        ("model/line/predict?datax=closed[x]", None),
        ("model/line/fit?datax=open&datay=closed", None),
        ("model/line/predict?datax=open", {"result": "closed"}),
    ):
        assert guarded("PUT", path, body, **bearer(ADA)).status == 403


def test_a_result_belongs_to_whoever_may_do_what_gave_it(guarded: Api) -> None:
    mine = guarded("PUT", "model/line/predict?async=1&datax=open", **bearer(ADA))
    assert guarded("GET", mine.location, prefer="wait=30", **bearer(ADA)).json["status"] == "SUCCESS"
    theirs = guarded("PUT", "model/secret/fit?async=1&datax=open&datay=open", **bearer(OPS))
    for method, path in (("GET", theirs.location), ("DELETE", theirs.location.removesuffix("/result"))):
        assert guarded(method, path, **bearer(ADA)).status == 403
    assert guarded("GET", theirs.location, prefer="wait=30", **bearer(OPS)).json["status"] == "SUCCESS"


def test_a_token_may_be_bound_to_buckets(guarded: Api) -> None:
    assert guarded("GET", "model/line", bucket="other", **bearer(ADA)).status == 403
    assert guarded("GET", "model/line", bucket="other", **bearer(OPS)).status == 404


def test_pages_from_elsewhere_are_answered_only_if_they_were_named(guarded: Api, api: Api) -> None:
    good, bad = {"Origin": "https://good.example"}, {"Origin": "https://bad.example"}
    answer = guarded("GET", "ping", **bearer(OPS), **good)
    assert answer.headers["access-control-allow-origin"] == "https://good.example"
    assert guarded("GET", "ping", **bearer(OPS), **bad).status == 403
    ours = api("GET", "ping", Origin=api.url)
    assert (ours.status, "access-control-allow-origin" in ours.headers) == (200, False)
    assert api("GET", "ping", **bad).status == 403


def test_a_name_that_somebody_lets_point_here_is_not_this_server(api: Api) -> None:
    assert api("GET", "ping", Host="rebound.example").status == 403
    assert api("GET", "ping", Host=f"localhost:{urlsplit(api.url).port}").status == 200


def test_a_body_that_is_too_large_is_refused_before_it_is_read(guarded: Api) -> None:
    parts = urlsplit(guarded.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=150) as client:
        head = f"PUT /api/v1/dataset/d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OPS}\r\n"
        client.sendall(f"{head}Content-Length: 99999999\r\n\r\n".encode())
        assert client.recv(12) == b"HTTP/1.1 413"


def test_a_body_that_does_not_say_its_size_is_counted(guarded: Api) -> None:
    parts = urlsplit(guarded.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=150) as client:
        head = f"PUT /api/v1/dataset/d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OPS}\r\n"
        client.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        client.sendall(b"100001\r\n" + b" " * 0x100001 + b"\r\n")
        assert client.recv(12) == b"HTTP/1.1 413"


def test_what_is_not_there_is_a_problem_too(api: Api) -> None:
    answer = api("GET", "/api/v2/ping")
    assert (answer.status, answer.json["title"]) == (404, "Not Found")
    assert "/api/doc" in answer.json["detail"]


def test_the_document_names_every_address_with_its_form(api: Api) -> None:
    made = api("GET", "/api/openapi.json").json
    assert made["openapi"].startswith("3.1")
    assert {"Data", "Work", "Frame"} <= set(made["components"]["schemas"])
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], path
            assert "default" in operation["responses"]
            assert method not in ("put", "post") or "requestBody" in operation
    text = json.dumps(made)
    refs = {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert refs <= set(made["components"]["schemas"])


def test_the_page_for_people_shows_them_all_and_needs_nothing_from_elsewhere(api: Api) -> None:
    page = api("GET", "/api/doc").body.decode()
    made = api("GET", "/api/openapi.json").json
    assert all(path in page for path in made["paths"])
    assert "http://" not in page
    assert "https://" not in page


def test_every_address_is_of_a_resource_that_rules_can_name(api: Api) -> None:
    paths = [*api("GET", "/api/openapi.json").json["paths"]]
    assert {path.split("/")[3] for path in paths} <= {*ACTIONS, "ping"}


def refused(*words: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "alula", "api", *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


def test_it_does_not_start_for_others_without_a_token(tmp_path: Path) -> None:
    said = refused("--host", "0.0.0.0", ALULA_HOME=str(tmp_path))
    assert "ALULA_API_TOKEN" in said


def test_a_busy_port_is_one_paragraph(api: Api, tmp_path: Path) -> None:
    port = str(urlsplit(api.url).port)
    assert f"setting 'port' = {port}" in refused("--port", port, ALULA_HOME=str(tmp_path))


def test_a_rule_that_means_nothing_is_one_paragraph(tmp_path: Path) -> None:
    assert "did you mean 'model'" in refused("modl/*/predict", ALULA_HOME=str(tmp_path))


def test_the_token_of_the_environment_has_the_rules_of_the_command_line(shared_home: Path) -> None:
    om.models.put(LinearRegression(), "line")
    with serving("model/*/get", "--host", "0.0.0.0", ALULA_API_TOKEN=OPS) as api:
        local = Api(api.url.replace("0.0.0.0", "127.0.0.1"), api.process)
        assert local("GET", "model/line").status == 401
        assert local("GET", "model/line", **bearer(OPS)).status == 200
        assert local("PUT", "model/line/predict", {"data": [[1]]}, **bearer(OPS)).status == 403
