"""What mkdocs is told besides its settings: pages that are made from the code and from files outside docs/.

The reference is made from docstrings, the page of commands from their declarations, the changelog from its
fragments. Where the navigation names a folder of decisions or modules, all that are in it take its place.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from typer.main import get_command

from alula.cli import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
KINDS = ("breaking", "added", "changed", "fixed", "removed")

MODULES = {
    "alula": "the four faces, for `import alula as ray` or `as om`",
    "alula.futures": "tasks, actors, values",
    "alula.dag": "graphs with input",
    "alula.graph": "nodes, graphs, pictures",
    "alula.workflow": "durable workflows",
    "alula.runtime": "models, scripts and notebooks by name",
    "alula.objects": "named objects, versions, metadata",
    "alula.server": "the tensor server and its clients",
    "alula.errors": "every error",
    "alula.store": "records, artifacts, executors",
    "alula.daemon": "what runs for long",
    "alula.web": "the runtime over HTTP",
    "alula.testing": "a clock, faults, conformance suites",
    "alula.testing.conformance": "suites for engines of your own",
    "alula.util.scheduling_strategies": "where tasks and actors may run",
}
"""Each public module that has a page of its own, and what for: aliases of names from elsewhere have none."""

INHERITING = {"alula.objects", "alula.runtime"}
"""Modules whose classes have most of what they can do from private ones."""

WHERE = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "method.md",
    "changelog.d": "changelog.md",
    "changelog.d/README.md": "changelog.md",
    "docs/decisions": "decisions/index.md",
    "examples": "examples.md",
}
"""Which page is made of a file outside docs/."""

LINK = re.compile(r"\[([^]]+)\]\(([\w./-]+)((?:#[\w-]+)?)\)")

ALIASES = """
Names of Ray's stand in `alula.exceptions`, `alula.workflow.common`, `alula.workflow.exceptions` and
`alula.workflow.event_listener`; what they mean is here: [errors](alula.errors.md),
[workflows](alula.workflow.md).
"""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Complete the navigation."""
    config.nav = _expanded(config.nav)
    return config


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Let links that leave docs/ lead to what is made of their files, and be plain words where nothing is."""
    here = DOCS if page.file.src_uri in WHERE.values() else (DOCS / page.file.src_uri).parent
    return LINK.sub(lambda link: _inside(link, here), markdown)


def _inside(link: re.Match[str], here: Path) -> str:
    for folder in (here, ROOT):  # pages that come from the root have links from there
        target = (folder / link[2]).resolve()
        if target.exists():
            break
    else:
        return link[0]
    if target.is_relative_to(DOCS) and target.suffix == ".md":
        place = target.relative_to(DOCS)
    elif name := WHERE.get(str(target.relative_to(ROOT))):
        place = Path(name)
    else:
        return link[1]
    return f"[{link[1]}]({os.path.relpath(DOCS / place, here)}{link[3]})"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    for path, text in _made():
        files.append(File.generated(config, path, content=text))
    return files


def _expanded(nav: Any) -> Any:
    """Put pages for the words that stand for several."""
    decisions = [f"decisions/{path.name}" for path in sorted((DOCS / "decisions").glob("*.md"))]
    folders = {
        "python": {"Python": ["reference/index.md", *(f"reference/{name}.md" for name in MODULES)]},
        "decisions": {"Decisions": ["decisions/index.md", *decisions]},
    }
    if isinstance(nav, list):
        return [_expanded(each) for each in nav]
    if isinstance(nav, dict):
        return {title: _expanded(each) for title, each in nav.items()}
    return folders.get(nav, nav)


def _made() -> Iterator[tuple[str, str]]:
    """Give the pages that have no file in docs/, each with its text."""
    yield "reference/index.md", _modules()
    for name in MODULES:
        inherited = f"\n    options:\n      inherited_members: {str(name in INHERITING).lower()}"
        yield f"reference/{name}.md", f"# {name}\n\n::: {name}{inherited}\n"
    yield "reference/commands.md", _commands()
    yield "decisions/index.md", _decisions()
    yield "changelog.md", _changelog()
    yield "contributing.md", (ROOT / "CONTRIBUTING.md").read_text()
    yield "examples.md", _examples()
    yield "method.md", _method()


def _modules() -> str:
    rows = [f"| [`{name}`]({name}.md) | {what} |" for name, what in MODULES.items()]
    return "\n".join(["# Python", "", "| module | holds |", "|---|---|", *rows, "", ALIASES])


def _commands() -> str:
    parts = ["# Commands and their options", "", "Made from their declarations: what `--help` says, of all."]
    for name, command in _leaves(get_command(app), "alula"):
        context = command.make_context(name, [], resilient_parsing=True)
        usage = command.get_usage(context).removeprefix("Usage: ")
        rows = [each.get_help_record(context) for each in command.params]
        table = [f"| `{option}` | {_cell(what)} |" for option, what in filter(None, rows)]
        parts += ["", f"## {name}", "", command.help, "", "```text", usage, "```", ""]
        parts += ["| option | |", "|---|---|", *table] if table else []
    return "\n".join(parts) + "\n"


def _leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Give the commands that are no groups, each under its whole name."""
    if not hasattr(command, "commands"):
        yield name, command
    for part, each in getattr(command, "commands", {}).items():
        yield from _leaves(each, f"{name} {part}")


def _cell(text: str) -> str:
    """A text as it may stand in a table, its brackets taken for what they are."""
    return text.replace("|", "\\|").replace("[", "\\[").replace("<", "&lt;")


def _decisions() -> str:
    lines = [
        "# Decisions",
        "",
        "What was chosen, what else was weighed, and what it costs: one page each.",
        "",
    ]
    for path in sorted((DOCS / "decisions").glob("*.md")):
        title = path.read_text().partition("\n")[0].removeprefix("# ")
        lines.append(f"- [{title}]({path.name})")
    return "\n".join(lines) + "\n"


def _changelog() -> str:
    """What is not released yet from its fragments, by kind, and then what is released."""
    parts = ["# Changelog", "", "## Not released yet", ""]
    for kind in KINDS:
        texts = [path.read_text() for path in sorted((ROOT / "changelog.d").glob(f"*.{kind}.md"))]
        parts += [f"### {kind.capitalize()}", "", *texts] if texts else []
    _, section, released = (ROOT / "CHANGELOG.md").read_text().partition("\n## ")
    return "\n".join(parts) + section + released


def _examples() -> str:
    """The examples, each with its words and its code."""
    parts = ["# Examples", "", "Each is one file of less than sixty lines, and runs as it stands."]
    for folder in sorted((ROOT / "examples").iterdir()):
        words = (folder / "README.md").read_text().replace("# ", "## ", 1)
        parts += ["", words, "", "```python", (folder / "main.py").read_text().strip(), "```"]
    return "\n".join(parts) + "\n"


def _method() -> str:
    """How benchmarks are taken: their own page, in which each part had a title as large as the page's."""
    text = (ROOT / "benchmarks" / "README.md").read_text()
    lowered = re.sub(r"(?m)^(#+ )(?=[A-Z])", r"#\1", text)
    return "# How benchmarks are taken\n\n" + lowered.replace("## Benchmarks\n", "## Futures\n", 1)
