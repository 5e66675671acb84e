"""The name of the machine's time zone, wherever machines note it."""

from pathlib import Path

import pytest

from alula._core._settings import Settings
from alula._core._zone import local_zone
from alula.errors import SettingError


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)


def test_the_link_names_the_zone(tmp_path: Path) -> None:
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Europe/Vienna")
    assert local_zone(tmp_path / "localtime", tmp_path / "none") == "Europe/Vienna"


def test_else_the_file_does(tmp_path: Path) -> None:
    (tmp_path / "timezone").write_text("Asia/Tokyo\n")
    assert local_zone(tmp_path / "none", tmp_path / "timezone") == "Asia/Tokyo"


def test_the_variable_comes_first_if_it_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    assert local_zone(tmp_path / "none", tmp_path / "none") == "America/New_York"
    monkeypatch.setenv("TZ", "CET-1CEST")
    assert local_zone(tmp_path / "none", tmp_path / "none") == "UTC"


def test_a_setting_says_another(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALULA_TIMEZONE", "Europe/Vienna")
    assert Settings.load().timezone == "Europe/Vienna"
    with pytest.raises(SettingError, match="Europe/Vienna"):
        Settings.load(timezone="Europe/Wien")
