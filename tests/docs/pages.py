"""The pages that people read, taken apart for the tests."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, *DOCS, ROOT / "benchmarks/README.md"]

_FENCE = re.compile(r"^```.*?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def name(page: Path) -> str:
    """The page as it is called in a test's id."""
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def code_lines(page: Path) -> list[str]:
    """Lines of the blocks of code; continued lines are joined, comments cut off."""
    blocks = _FENCE.findall(page.read_text(encoding="utf-8"))
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].split("    #")[0].rstrip() for line in lines]


def spans(page: Path) -> list[str]:
    """What stands between backticks in the prose."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def links(page: Path) -> list[str]:
    """Targets of the links and images in the prose."""
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    return re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text)


def headings(page: Path) -> set[str]:
    """The anchors that GitHub and MkDocs make of the headings."""
    found = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in found}
