"""Rules and tokens: who may do what."""

from pathlib import Path

import pytest

from alula.errors import SettingError
from alula.web import ACTIONS, Access, Rights, Rule

TOKEN = "a-token-that-nobody-guesses"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("model", "model/*/*"),
        ("model/iris", "model/iris"),
        ("model/iris/predict", "model/iris/predict"),
        ("model/team/iris/predict", "model/team/iris/predict"),
        ("*/*/get", "*/*/get"),
        ("model/iris*/*", "model/iris*/*"),
    ],
)
def test_a_rule_is_a_resource_a_name_and_an_action(text: str, read: str) -> None:
    rule = Rule.parse(text)
    assert str(rule) in (read, f"{read}/*")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modle/x/predict", "did you mean 'model'"),
        ("model/x/predicted", "did you mean 'predict'"),
        ("", "begins with no resource"),
        ("dataset/x/predict", "ends with no action"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Rule.parse(text)


def test_what_no_rule_names_is_not_allowed() -> None:
    rights = Rights("ada", (Rule.parse("model/team/*/predict"), Rule.parse("dataset/iris/get")))
    assert rights.allow("model", "team/a/b", "predict")
    assert not rights.allow("model", "team/a/b", "fit")
    assert not rights.allow("model", "other", "predict")
    assert rights.allow("dataset", "iris", "get")
    assert not rights.allow("dataset", "iris2", "get")
    assert not rights.allow_some("job", "run")
    assert rights.allow_some("model", "predict")


def test_without_a_token_everybody_has_what_the_rules_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALULA_API_TOKEN", raising=False)
    access = Access.load(["model/*/predict"])
    rights = access.rights(None)
    assert rights is not None
    assert not rights.allow("model", "m", "fit")
    everything = Access.load().rights("whatever")
    assert everything is not None
    assert all(everything.allow(kind, "x", action) for kind, known in ACTIONS.items() for action in known)


def test_with_a_token_nobody_else_has_any_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALULA_API_TOKEN", TOKEN)
    access = Access.load(["model"])
    assert access.rights(None) is None
    assert access.rights("another-one-of-that-length") is None
    rights = access.rights(TOKEN)
    assert rights is not None
    assert rights.allow("model", "m", "fit")
    assert TOKEN not in repr(access)


def test_a_file_gives_each_token_rules_and_buckets(tmp_path: Path) -> None:
    file = tmp_path / "api.toml"
    file.write_text(
        f'[tokens.ada]\ntoken = "{TOKEN}"\nrules = ["model/m/predict"]\nbuckets = ["team-*"]\n'
        f'[tokens.ops]\nsha256 = "{"AB" * 32}"\n'
    )
    access = Access.load(file=file)
    ada = access.rights(TOKEN)
    assert ada is not None
    assert ada.who == "ada"
    assert ada.allow_bucket("team-a")
    assert not ada.allow_bucket("omegaml")
    assert not ada.allow("model", "m", "fit")
    assert access.tokens["ab" * 32].who == "ops"
    assert access.anyone is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tokens.ada]\n", "either token= or sha256="),
        ('[tokens.ada]\ntoken = "short"\n', "at least 16"),
        (f'[tokens.ada]\ntoken = "{TOKEN}"\nrule = []\n', "did you mean 'rules'"),
        (f'[tokens.ada]\ntoken = "{TOKEN}"\nrules = "model"\n', "a list of texts"),
        (f'[tokens.ada]\ntoken = "{TOKEN}"\nrules = ["mdel"]\n', "did you mean 'model'"),
        ("token = 1\n", r"\[tokens.NAME\]"),
        ("tokens = 1\n", r"\[tokens.NAME\]"),
        ("[tokens]\nada = 1\n", "a table with token="),
        ("[", "access"),
    ],
)
def test_a_file_that_says_something_else_is_refused(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "api.toml"
    file.write_text(text)
    with pytest.raises(SettingError, match=said) as caught:
        Access.load(file=file)
    assert TOKEN not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="No such file"):
        Access.load(file=tmp_path / "none.toml")


def test_a_token_that_can_be_guessed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALULA_API_TOKEN", "secret")
    with pytest.raises(SettingError, match="at least 16 characters") as caught:
        Access.load()
    assert "secret'" not in str(caught.value).replace("import secrets", "")
