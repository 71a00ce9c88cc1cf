"""What README and docs name exists: files, headings, gin files, parameters, flags, make targets."""

import ast
import inspect
import re
from pathlib import Path

import gin
import pytest

from dreamer_tf.experiment import gin_files
from tests.docs import pages
from tests.docs.pages import DOCS, PAGES, README, ROOT

COMMANDS = ("train", "sweep", "evaluate", "dream", "compare", "describe", "pack")
# Gin files that a run writes, or that the text invents as an example.
NOT_SHIPPED = {"config.gin", "operative_config.gin", "maze.gin", "flat_encoder.gin"}
NOT_SHIPPED |= {path.name for path in (ROOT / "examples/ideas").glob("*.gin")}

every_page = pytest.mark.parametrize("page", PAGES, ids=pages.name)


def defined_flags(source: Path) -> set[str]:
    """Names of the absl flags that a file defines; it is not imported."""
    calls = (node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call))
    return {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr.startswith("DEFINE_")
    }


def used_flags(text: str) -> set[str]:
    """Flags in a command line or a piece of text."""
    # A quoted value may hold flags of another program, as those of SLURM.
    return set(re.findall(r"(?<![\w-])--([a-z_]+)", re.sub(r'="[^"]*"', "", text)))


@pytest.fixture(scope="module")
def flags() -> dict[str, set[str]]:
    """Flags by command: 'train' for the package, 'train_step.py' for a benchmark."""
    found = {name: defined_flags(ROOT / f"dreamer_tf/{name}.py") for name in COMMANDS}
    for path in (ROOT / "benchmarks").glob("*.py"):
        found[path.name] = defined_flags(path)
    return found


@pytest.fixture(scope="module")
def configurables() -> dict[str, object]:
    """Everything that gin knows, by its name without the module."""
    from dreamer_tf.experiment import launch  # noqa: F401 - imports all of it

    return {name.rpartition(".")[2]: value.wrapped for name, value in gin.config._REGISTRY.items()}


@every_page
def test_links_lead_to_files_and_headings(page):
    for link in pages.links(page):
        if link.startswith(("http:", "https:")):
            continue
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if heading:
            assert heading in pages.headings(target), link


def test_the_readme_is_short():
    assert len(README.read_bytes()) <= 8000


@every_page
def test_table_cells_are_short(page):
    rows = [line for line in pages.prose(page).splitlines() if line.startswith("|")]
    cells = [cell.strip() for row in rows for cell in row.split("|")]
    assert max(map(len, cells), default=0) <= 150, max(cells, key=len)


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    for page in DOCS:
        assert f"- {page.name}" in navigation, page.name


@every_page
def test_gin_files_are_shipped(page):
    text = "\n".join([*pages.spans(page), *pages.code_lines(page)])
    for name in re.findall(r"[\w/*]+\.gin\b", text):
        if Path(name).name in NOT_SHIPPED:
            continue
        if "*" in name:
            assert list(gin_files.shipped_directory().glob(name)), name
        else:
            gin_files.find(name)  # raises where there is none


@every_page
def test_command_lines_use_flags_of_their_command(page, flags):
    for line in pages.code_lines(page):
        match = re.search(r"(?:-m dreamer_tf\.|dreamer-)(\w+) |benchmarks/(\w+\.py) ", line)
        if match:
            unknown = used_flags(line) - flags[match[1] or match[2]]
            assert not unknown, line


@every_page
def test_flags_in_the_text_exist(page, flags):
    known = {"help"}.union(*flags.values())  # absl gives every command its help
    for span in pages.spans(page):
        # Flags of other programs stand with the name of the program.
        if not span.startswith(("mkdocs", "tensorboard")):
            assert used_flags(span) <= known, span


@every_page
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = "\n".join([*pages.spans(page), *pages.code_lines(page)])
    assert set(re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)) <= targets


@every_page
def test_paths_exist(page):
    for span in pages.spans(page):
        match = re.fullmatch(r"([\w./-]+/[\w.-]*)(?:: \w+)?", span)
        if not match or not span.startswith(
            ("tests/", "benchmarks/", "baselines/", "gin_configs/", "examples/", "docs/")
        ):
            continue
        assert (ROOT / match[1]).exists(), span
        if " test_" in span:
            assert f"def {span.split()[-1]}(" in (ROOT / match[1]).read_text(), span
    for span in pages.spans(page):
        if re.fullmatch(r"[a-z_]+/[a-z_0-9]+\.py", span) and not (ROOT / span).exists():
            assert (ROOT / "dreamer_tf" / span).exists(), span


@every_page
def test_gin_parameters_exist(page, configurables):
    text = "\n".join([*pages.spans(page), *pages.code_lines(page)])
    functions = r"create_gym_environment|create_vector_environment|configure_devices"
    for name, parameter in re.findall(rf"\b((?:[A-Z]\w+|{functions}))\.([a-z]\w*)", text):
        if parameter == "md":
            continue  # README.md
        assert name in configurables, name
        accepted = inspect.signature(configurables[name]).parameters
        assert parameter in accepted, f"{name}.{parameter}"
