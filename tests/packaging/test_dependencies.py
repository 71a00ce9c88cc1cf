"""Whatever the code imports is a dependency that `setup.py` names, and not one by chance."""

import ast
import re
import runpy
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = {"dreamer_tf", "tests"}
# Imported when a user asks for them; the message of a missing one names its extra.
OPTIONAL = ("sweep", "wandb", "mlflow")


@pytest.fixture
def declared(monkeypatch) -> dict:
    """The keywords that `setup.py` gives to setuptools."""
    keywords = {}
    monkeypatch.setattr("setuptools.setup", keywords.update)
    runpy.run_path(str(ROOT / "setup.py"))
    return keywords


def names(requirements) -> set[str]:
    """Names of distributions, as metadata compares them."""
    return {normal(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(directory: Path) -> dict[str, str]:
    """Top-level modules from elsewhere -> a file that imports them."""
    beside = {path.stem for path in directory.glob("*.py")}  # scripts import their neighbors
    found = {}
    for path in sorted(directory.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module]
            else:
                continue
            found |= {module.partition(".")[0]: str(path) for module in modules}
    known = OURS | beside | sys.stdlib_module_names
    return {module: path for module, path in found.items() if module not in known}


def undeclared(directory: str, requirements: set[str]) -> list[str]:
    distributions = metadata.packages_distributions()
    return [
        f"{path} imports {module}, which setup.py does not name"
        for module, path in imported(ROOT / directory).items()
        if not requirements & {normal(name) for name in distributions.get(module, [module])}
    ]


def test_imports_of_the_package_are_dependencies(declared):
    extras = [name for extra in OPTIONAL for name in declared["extras_require"][extra]]
    assert undeclared("dreamer_tf", names(declared["install_requires"] + extras)) == []


@pytest.mark.parametrize("directory", ["tests", "benchmarks", "examples"])
def test_imports_of_development_are_in_its_extra(declared, directory):
    requirements = declared["install_requires"] + declared["extras_require"]["dev"]
    assert undeclared(directory, names(requirements)) == []


def test_every_dependency_has_a_lower_and_an_upper_bound(declared):
    unbounded = [
        requirement
        for requirement in declared["install_requires"] + declared["extras_require"]["dev"]
        if not (">=" in requirement and re.search(r"<[^=]", requirement))
    ]
    assert unbounded == []
