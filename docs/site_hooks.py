"""Hooks of MkDocs: pages that live outside `docs/`, and an API reference that never goes stale."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "dreamer_tf"

# Files of the repository that are pages of the site as well.
PAGES = {
    "README.md": "index.md",
    "benchmarks/README.md": "benchmarks.md",
    "baselines/README.md": "published.md",
    "tests/data/golden/README.md": "golden.md",
    "CONTRIBUTING.md": "contributing.md",
    "WORKSPACE.md": "workspace.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
DEVELOPMENT = ("contributing.md", "workspace.md", "security.md", "changelog.md")
_SOURCES = {page: source for source, page in PAGES.items()}
_CODE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def rooms() -> dict[str, list[str]]:
    """The public modules of every room of the package, by the name of the room."""
    found: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if any(part.startswith("_") for part in parts):
            continue
        room = parts[0] if len(parts) > 1 else "commands"
        found.setdefault(room, []).append(".".join(("dreamer_tf", *parts)))
    return found


def reference_page(room: str, modules: list[str]) -> str:
    """Markdown from which mkdocstrings makes the reference of one room."""
    directives = "\n\n".join(f"::: {module}" for module in modules)
    return f"# {room}\n\n{directives}\n"


def on_config(config: Any) -> Any:
    """Adds what is generated to the navigation."""
    development = [page for page in DEVELOPMENT if (ROOT / _SOURCES[page]).exists()]
    config["nav"] += [
        {"Development": development},
        {"Reference": [{room: f"reference/{room}.md"} for room in rooms()]},
    ]
    return config


def on_files(files: Files, *, config: Any) -> Files:
    """Adds the pages from outside `docs/` and one reference page for each room."""
    for source, page in PAGES.items():
        if (ROOT / source).exists():
            text = (ROOT / source).read_text(encoding="utf-8")
            files.append(File.generated(config, page, content=text))
    for room, modules in rooms().items():
        text = reference_page(room, modules)
        files.append(File.generated(config, f"reference/{room}.md", content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Turns links that are right in the repository into links that are right on the site."""
    uri = page.file.src_uri
    source = _SOURCES.get(uri, f"docs/{uri}")

    def replace(match: re.Match) -> str:
        mark, label, target = match.groups()
        resolved = site_link(source, target, uri)
        return f"{mark}[{label}]({resolved})" if resolved else label

    # Odd parts are code, in which brackets are no links.
    parts = _CODE.split(markdown)
    parts[::2] = [_LINK.sub(replace, part) for part in parts[::2]]
    return "".join(parts)


def site_link(source: str, target: str, uri: str) -> str | None:
    """Where a link of a file of the repository leads on the site.

    Args:
      source: path of the file in the repository.
      target: the link, relative to that file.
      uri: path of the file's page below the site's source.

    Returns:
      The link relative to the page; None for a file that is not on the site.
    """
    if target.startswith(("#", "http:", "https:", "mailto:")):
        return target
    name, hash_mark, heading = target.partition("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), name))
    page = PAGES.get(path)
    if page is None and path.startswith("docs/"):
        page = path.removeprefix("docs/")
    if page is None:
        return None
    return posixpath.relpath(page, posixpath.dirname(uri) or ".") + hash_mark + heading
