"""Packages as scripts: what is kept of them, and what is refused before it is kept."""

import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest

from alula._core._settings import Settings
from alula.errors import KindError, SourceRefusedError
from alula.objects import Catalog, Catalogs, Package, Requirement, check_source, open_catalogs

CODE = "def run(om, *args, **kwargs):\n    return args\n"


@pytest.fixture
def scripts(catalogs: Catalogs) -> Catalog:
    return catalogs.scripts


@pytest.fixture
def open_scripts(settings: Settings, catalogs: Catalogs) -> Iterator[Catalog]:
    """Give scripts that may come from some places."""
    allowed = "pypi://*,git+https://github.com/me/*"
    with open_catalogs(Settings.load(home=str(settings.home), sources=allowed)) as others:
        yield others.scripts


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give a project of a package, with what its tools have left."""
    folder = tmp_path / "project"
    for path, text in {
        "pyproject.toml": '[project]\nname = "tool"\nversion = "1"\n',
        "src/tool/__init__.py": CODE,
        "src/tool/data/a.txt": "a",
        "src/tool/__pycache__/x.pyc": "x",
        "src/tool.egg-info/PKG-INFO": "x",
        ".git/config": "x",
        "build/lib/tool.py": "x",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def names(package: Package) -> list[str]:
    return zipfile.ZipFile(BytesIO(package.archive)).namelist()


def test_a_package_is_an_archive_of_its_source(scripts: Catalog, project: Path) -> None:
    made = scripts.put(f"pkg://{project}", "tools/tool")
    package = scripts.get("tools/tool")
    assert made.kind == "python.package"
    assert names(package) == ["pyproject.toml", "src/tool/__init__.py", "src/tool/data/a.txt"]
    assert (package.module, package.root, package.project) == ("tool", "src", True)
    assert package.digest == sha256(package.archive).hexdigest() == made.kind_meta["digest"]


def test_the_same_code_has_the_same_digest(scripts: Catalog, project: Path) -> None:
    first = scripts.put(f"pkg://{project}/pyproject.toml", "tool").kind_meta["digest"]
    (project / "src/tool/__init__.py").touch()
    assert scripts.put(f"pkg://{project}", "tool").kind_meta["digest"] == first
    (project / "src/tool/__init__.py").write_text(CODE + "# new")
    assert scripts.put(f"pkg://{project}", "tool").kind_meta["digest"] != first


def test_a_source_archive_is_the_same_as_its_project(scripts: Catalog, project: Path, tmp_path: Path) -> None:
    first = scripts.put(f"pkg://{project}", "tool").kind_meta["digest"]
    sdist = tmp_path / "tool-1.tar.gz"
    with tarfile.open(sdist, "w:gz") as tar:
        tar.add(project, "tool-1")
    assert scripts.put(f"pkg://{sdist}", "tool").kind_meta["digest"] == first
    bundle = tmp_path / "tool.zip"
    bundle.write_bytes(scripts.get("tool").archive)
    assert scripts.put(f"pkg://{bundle}", "tool").kind_meta["digest"] == first


@pytest.mark.parametrize("path", ["tool/__init__.py", "tool.py"])
def test_a_module_needs_no_project(scripts: Catalog, tmp_path: Path, path: str) -> None:
    (tmp_path / "here" / path).parent.mkdir(parents=True)
    (tmp_path / "here" / path).write_text(CODE)
    scripts.put(f"pkg://{tmp_path}/here", "tool")
    package = scripts.get("tool")
    assert (names(package), package.root, package.project) == ([path], "", False)
    if path.startswith("tool/"):
        scripts.put(f"pkg://{tmp_path}/here/tool", "tool")
        assert scripts.get("tool") == package


def test_a_package_without_the_module_of_its_name_is_refused(scripts: Catalog, project: Path) -> None:
    with pytest.raises(ValueError, match=r"no top-level module 'other', as the script is named; it has tool"):
        scripts.put(f"pkg://{project}", "other")
    (project / "src/tool/__init__.py").write_text("def run(:")
    with pytest.raises(ValueError, match=r"__init__\.py cannot be parsed"):
        scripts.put(f"pkg://{project}", "tool")
    assert scripts.list() == []


def test_a_path_that_is_not_there_is_refused(scripts: Catalog, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"there is nothing at {tmp_path}/nope"):
        scripts.put(f"pkg://{tmp_path}/nope", "tool")
    (tmp_path / "tool.tar.gz").write_text("no archive")
    with pytest.raises(ValueError, match="is no source archive"):
        scripts.put(f"pkg://{tmp_path}/tool.tar.gz", "tool")


def test_an_archive_that_leads_out_of_its_folder_is_refused(scripts: Catalog, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "tool.zip", "w") as archive:
        archive.writestr("../tool.py", CODE)
    with pytest.raises(ValueError, match="leads out of"):
        scripts.put(f"pkg://{tmp_path}/tool.zip", "tool")


def test_what_a_link_leads_to_outside_stays_outside(scripts: Catalog, project: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (project / "link").symlink_to(tmp_path / "secret")
    scripts.put(f"pkg://{project}", "tool")
    assert "link" not in names(scripts.get("tool"))


@pytest.mark.parametrize(
    ("spec", "pip"),
    [
        ("pypi://rich==14.0", "rich==14.0"),
        ("pypi://rich[jupyter]==14.0", "rich[jupyter]==14.0"),
        (f"git+https://github.com/me/tool@{'ab' * 20}", f"git+https://github.com/me/tool@{'ab' * 20}"),
    ],
)
def test_of_a_package_elsewhere_its_line_is_kept(open_scripts: Catalog, spec: str, pip: str) -> None:
    assert open_scripts.put(spec, "a/my-tool").kind == "pipsrc.package"
    found = open_scripts.get("a/my-tool")
    assert found == Requirement(spec=spec, module="my_tool")
    assert found.pip == pip


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a repository that is to be had under an address of the network; give its only commit."""
    folder = tmp_path / "repository"
    settings = {
        f"url.{folder.as_uri()}.insteadOf": "https://github.com/me/tool",
        "user.name": "ada",
        "user.email": "ada@example.org",
    }
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for n, (name, value) in enumerate(settings.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{n}", name)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{n}", value)
    told = ""
    for words in (
        "init -q -b main .",
        "commit -q --allow-empty -m one",
        "tag -a v1 -m one",
        "rev-parse HEAD",
    ):
        folder.mkdir(exist_ok=True)
        told = subprocess.run(
            ["git", *words.split()], cwd=folder, check=True, capture_output=True, text=True
        ).stdout
    return told.strip()


@pytest.mark.parametrize("revision", ["v1", "main"])
def test_a_branch_or_tag_of_git_is_kept_as_the_commit_that_it_is(
    open_scripts: Catalog, repository: str, revision: str
) -> None:
    asked = f"git+https://github.com/me/tool@{revision}"
    made = open_scripts.put(asked, "tool")
    exact = f"git+https://github.com/me/tool@{repository}"
    assert (made.kind_meta["asked"], made.kind_meta["spec"]) == (asked, exact)
    assert open_scripts.get("tool") == Requirement(spec=exact, module="tool")


@pytest.mark.usefixtures("repository")
def test_a_revision_that_git_does_not_know_is_refused(open_scripts: Catalog) -> None:
    for spec in ("git+https://github.com/me/tool@v2", "git+https://github.com/me/tool.other@v1"):
        with pytest.raises(ValueError, match=r"git does not say which commit 'v[12]' of https"):
            open_scripts.put(spec, "tool")
    assert open_scripts.list() == []


@pytest.mark.parametrize("spec", ["git+https://github.com/other/tool@v1", "git+ssh://git@github.com/me/t@v1"])
def test_a_package_comes_only_from_where_it_may(open_scripts: Catalog, scripts: Catalog, spec: str) -> None:
    with pytest.raises(SourceRefusedError, match=r"the setting 'sources' allows pypi://\*, git\+https"):
        open_scripts.put(spec, "tool")
    with pytest.raises(SourceRefusedError, match="the setting 'sources' allows none"):
        scripts.put("pypi://rich==14.0", "tool")
    assert open_scripts.list() == []


@pytest.mark.parametrize(
    "spec", ["pypi://rich", "pypi://rich>=14", "git+https://github.com/me/tool", "pypi://a==1 b"]
)
def test_a_package_says_its_version(open_scripts: Catalog, spec: str) -> None:
    with pytest.raises(ValueError, match="say which version, as in"):
        open_scripts.put(spec, "tool")


@pytest.mark.parametrize("spec", ["hg+https://a/b@1", "svn+https://a/b@1", "bzr+ssh://a/b@1"])
def test_other_version_control_is_refused_by_name(open_scripts: Catalog, spec: str) -> None:
    with pytest.raises(ValueError, match=f"not by {spec.partition(':')[0].replace('+', '.')}"):
        open_scripts.put(spec, "tool")


def test_plain_text_is_no_script(scripts: Catalog) -> None:
    with pytest.raises(KindError):
        scripts.put("print(1)", "tool")


def test_whoever_installs_a_package_checks_it_again() -> None:
    check_source("pkg:///a", [])
    check_source("pypi://a==1", ["pypi://a==*"])
    with pytest.raises(SourceRefusedError):
        check_source("pypi://b==1", ["pypi://a==*"])
