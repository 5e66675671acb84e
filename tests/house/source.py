"""The source as the tests of the house read it: files, modules, and what they import."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Module:
    """One file of the package.

    Attributes
    ----------
    name
        With dots; a package has the name of its folder.
    layer
        Its second part: ``graph`` for all of `alula.graph`; that of the root is its own name.
    """

    path: Path
    name: str
    tree: ast.Module

    @property
    def layer(self) -> str:
        return (self.name + "..").split(".")[1] or self.name

    @property
    def package(self) -> str:
        """The package that its relative imports begin from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    @property
    def exports(self) -> list[str] | None:
        """What ``__all__`` lists, if there is one."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                return list(ast.literal_eval(node.value))
        return None


@dataclass(frozen=True)
class Import:
    """One name that a module imports from a module of ours; empty if it imports the module itself."""

    module: str
    name: str
    line: int
    inside: bool

    def __str__(self) -> str:
        return f"line {self.line}: {self.module} {self.name}".rstrip()


@cache
def modules() -> dict[str, Module]:
    """Give every module of the package by name."""
    found = {}
    for path in sorted((ROOT / "src").rglob("*.py")):
        parts = path.relative_to(ROOT / "src").with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        found[name] = Module(path, name, ast.parse(path.read_text()))
    return found


def packages() -> list[Module]:
    """Give the public packages that are not the root: those by which one layer uses another."""
    return [
        module
        for name, module in modules().items()
        if module.path.name == "__init__.py" and name != "alula" and "._" not in name.replace("._core", "")
    ]


def imports(module: Module) -> Iterator[Import]:
    """Give all that a module imports of ours, wherever it stands in it, for types only or not."""
    inner = {
        id(node)
        for function in ast.walk(module.tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "alula":
                    yield Import(alias.name, "", node.lineno, id(node) in inner)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node)
            for alias in node.names if base.split(".")[0] == "alula" else ():
                below = f"{base}.{alias.name}"
                target, name = (below, "") if below in modules() else (base, alias.name)
                yield Import(target, name, node.lineno, id(node) in inner)


def _base(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, node.module] if node.module else parts)


@cache
def tracked() -> list[Path]:
    """Give the files that belong to the project; outside a checkout all that are not made by tools."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode == 0:
        paths = [ROOT / line for line in listing.stdout.splitlines()]
    else:
        paths = [path for path in ROOT.rglob("*") if not _made(path)]
    return sorted(path for path in paths if path.is_file())


def _made(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return any(part in ("__pycache__", "build", "dist") or part.startswith(".") for part in parts)


def python_files() -> list[Path]:
    """Give the files of Python that belong to the project."""
    return [path for path in tracked() if path.suffix == ".py"]


def short(path: Path) -> str:
    """Name a file as people do, from the root of the project."""
    return str(path.relative_to(ROOT))
