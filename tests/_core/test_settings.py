import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import platformdirs
import pytest

from alula._core._settings import Settings
from alula.errors import SettingError


@pytest.fixture(autouse=True)
def folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with an empty home beside it."""
    home.mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def test_without_any_source_there_are_defaults(home: Path) -> None:
    settings = Settings.load()
    assert settings == Settings(
        home=home, store=f"sqlite:///{home / 'alula.db'}", artifacts=str(home / "artifacts")
    )
    assert (settings.engine, settings.where, settings.durability) == ("embedded", "auto", "normal")
    assert (settings.labels, settings.bucket) == (("default",), "omegaml")


def test_each_source_is_stronger_than_the_next(
    home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "alula.toml").write_text("num_cpus = 1\nbucket = 'of the home'\naddress = 'x'\nlabels = 'gpu'")
    (folder / "alula.toml").write_text("num_cpus = 2\nbucket = 'of the folder'\naddress = 'y'")
    monkeypatch.setenv("ALULA_NUM_CPUS", "3")
    monkeypatch.setenv("ALULA_BUCKET", "of the environment")
    settings = Settings.load(num_cpus=4)
    assert settings.num_cpus == 4
    assert settings.bucket == "of the environment"
    assert settings.address == "y"
    assert settings.labels == ("gpu",)


def test_none_and_an_empty_variable_count_as_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALULA_BUCKET", "")
    assert Settings.load(bucket=None, num_cpus=None) == Settings.load()


@pytest.mark.parametrize("chooser", ["argument", "environment", "file"])
def test_the_file_of_the_home_is_that_of_the_home_in_use(
    chooser: str, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "alula.toml").write_text("bucket = 'of the other home'")
    if chooser == "file":
        monkeypatch.delenv("ALULA_HOME")
        (folder / "alula.toml").write_text(f"home = '{other}'")
    elif chooser == "environment":
        monkeypatch.setenv("ALULA_HOME", str(other))
    settings = Settings.load(home=other if chooser == "argument" else None)
    assert (settings.home, settings.bucket) == (other, "of the other home")


def test_a_home_is_made_absolute_and_may_begin_with_a_tilde(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/of/somebody")
    assert Settings.load(home="here").home == folder / "here"
    assert Settings.load(home="~/there").home == Path("/home/of/somebody/there")


def test_the_home_of_the_user_is_where_the_system_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALULA_HOME")
    assert Settings.load().home == platformdirs.user_data_path("alula", appauthor=False)


def test_a_given_store_and_artifacts_are_kept() -> None:
    settings = Settings.load(store="postgresql://host/db", artifacts="s3://bucket/folder")
    assert (settings.store, settings.artifacts) == ("postgresql://host/db", "s3://bucket/folder")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"engine": "spark"}, "must be one of 'embedded', 'ray'"),
        ({"where": "there"}, "must be one of 'auto', 'here', 'queue'"),
        ({"durability": "some"}, "must be one of 'normal', 'full'"),
        ({"num_cpus": 0}, "must be at least 1"),
        ({"num_cpus": "many"}, "must be a whole number"),
        ({"num_cpus": 1.5}, "must be a whole number"),
        ({"num_cpus": True}, "must be a whole number"),
        ({"object_store_memory": 1000}, "must be at least 1048576"),
        ({"labels": ""}, "must name at least one label"),
        ({"labels": " , "}, "must name at least one label"),
        ({"labels": [1]}, "must be text, or a list of texts"),
        ({"home": 3}, "must be text"),
        ({"bucket": 3}, "must be text"),
        ({"buckt": "b"}, "there is no such setting; did you mean 'bucket'\\?"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(given: dict[str, Any], why: str) -> None:
    ((name, value),) = given.items()
    with pytest.raises(SettingError, match=rf"setting '{name}' = .* \(from argument\): {why}") as caught:
        Settings.load(**given)
    assert (caught.value.setting, caught.value.value) == (name, value)


@pytest.mark.parametrize("labels", ["a,b", " a , b ,", ["a", "b"], ("a", " b")])
def test_labels_are_text_with_commas_or_a_list(labels: Any) -> None:
    assert Settings.load(labels=labels).labels == ("a", "b")


def test_a_mistake_in_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALULA_ENGIN", "ray")
    with pytest.raises(SettingError, match=r"from the environment \(ALULA_\*\).*did you mean 'engine'"):
        Settings.load()


@pytest.mark.parametrize("text", ["engin = 'ray'", "engine = ray", "home = 3"])
def test_a_mistake_in_a_file_names_the_file(folder: Path, text: str) -> None:
    file = folder / "alula.toml"
    file.write_text(text)
    with pytest.raises(SettingError, match=r"alula\.toml") as caught:
        Settings.load()
    assert Path(caught.value.origin).absolute() == file


def test_a_file_that_cannot_be_read_is_not_passed_over(folder: Path) -> None:
    (folder / "alula.toml").mkdir()
    with pytest.raises(SettingError, match="Is a directory"):
        Settings.load()


def test_what_other_programs_read_is_not_taken_for_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALULA_SIGNING_KEY", "secret")
    monkeypatch.setenv("OMEGA_BROKER", "amqp://")
    assert Settings.load() == Settings.load()


def test_the_signing_key_is_made_once_and_for_its_owner_alone(home: Path) -> None:
    key = Settings.load().signing_key()
    assert len(key) == 32
    assert Settings.load().signing_key() == key
    assert stat.S_IMODE((home / "keys" / "signing").stat().st_mode) == 0o600
    assert os.listdir(home / "keys") == ["signing"]


def test_of_those_who_make_the_signing_key_at_once_all_get_the_same() -> None:
    settings, together = Settings.load(), Barrier(8)

    def ask() -> bytes:
        together.wait()
        return settings.signing_key()

    with ThreadPoolExecutor(8) as pool:
        keys = [each.result() for each in [pool.submit(ask) for _ in range(8)]]
    assert len(set(keys)) == 1


def test_a_given_signing_key_leaves_no_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALULA_SIGNING_KEY", "sécret")
    assert Settings.load().signing_key() == "sécret".encode()
    assert not (home / "keys").exists()


def test_a_damaged_signing_key_is_not_used(home: Path) -> None:
    (home / "keys").mkdir()
    (home / "keys" / "signing").touch()
    with pytest.raises(SettingError, match="is damaged: it must hold 32 bytes"):
        Settings.load().signing_key()


@pytest.mark.parametrize("place", ["/dev/null", "/dev/null/home", "/proc/home"])
def test_a_home_that_cannot_be_a_folder_is_one_clear_line(place: str) -> None:
    with pytest.raises(SettingError, match=r"cannot (read|write) \S*signing: [^\n]*$") as caught:
        Settings.load(home=place).signing_key()
    assert caught.value.value == place


@pytest.mark.parametrize("name", ["ALULA_API_TOKEN", "ALULA_REQUIREPASS", "ALULA_FAULTS"])
def test_a_secret_in_the_environment_is_no_setting_and_none_is_missing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "not for the records of tasks")
    assert "not for the records" not in repr(Settings.load())
