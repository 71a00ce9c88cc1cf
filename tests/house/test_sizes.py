"""The house keeps its order: small rooms, a test for every module, nothing about one machine."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "dreamer_tf"
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
LIMITS = {"file": 400, "class": 300, "function": 60}
COMMANDS = {
    "train.py",
    "sweep.py",
    "evaluate.py",
    "dream.py",
    "compare.py",
    "describe.py",
    "pack.py",
}
# Modules without a test file of their own, and where they are tested.
ELSEWHERE = {
    "experiment/allowed.py": "lists; tests/attacks/test_untrusted.py walks them",
    "environments/registry.py": "a list of imports; every shipped gin file needs it",
    "version.py": "one constant; tests/packaging builds with it",
}


def docstring_lines(node: ast.AST) -> int:
    """Lines of the docstrings of a node and of all that is in it."""
    documented = [
        inner.body[0]
        for inner in ast.walk(node)
        if isinstance(inner, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and ast.get_docstring(inner, clean=False) is not None
    ]
    return sum(first.end_lineno - first.lineno + 1 for first in documented)


def sizes(path: Path):
    """Kind, name and lines without docstrings of a file and all that it defines."""
    text = path.read_text()
    tree = ast.parse(text)
    yield "file", path.name, len(text.splitlines()) - docstring_lines(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            kind = "class" if isinstance(node, ast.ClassDef) else "function"
            lines = node.end_lineno - node.lineno + 1 - docstring_lines(node)
            yield kind, node.name, lines


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_files_classes_and_functions_are_small(module):
    large = [
        f"{kind} {name} has {lines} lines, {LIMITS[kind]} are allowed"
        for kind, name, lines in sizes(PACKAGE / module)
        if lines > LIMITS[kind]
    ]
    assert not large, "\n".join(large)


def test_docstrings_do_not_count(tmp_path):
    body = '"""One.\n\nThree.\n"""\n\n\ndef f():\n    """Two."""\n    return 1\n'
    (tmp_path / "a.py").write_text(body)
    assert list(sizes(tmp_path / "a.py")) == [("file", "a.py", 4), ("function", "f", 2)]


def test_the_root_of_the_package_holds_the_commands_only():
    root = {str(module) for module in MODULES if len(module.parts) == 1}
    assert root == COMMANDS | {"__init__.py", "errors.py", "native_log.py", "version.py"}


@pytest.mark.parametrize(
    "module", [module for module in MODULES if module.name != "__init__.py"], ids=str
)
def test_every_module_has_a_test_file_of_its_name(module):
    if str(module) in ELSEWHERE:
        return
    room = Path("commands") if module.name in COMMANDS else module.parent
    assert (ROOT / "tests" / room / f"test_{module.name}").exists()


def committed_files():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        return list(PACKAGE.rglob("*.py"))  # not a checkout
    return [ROOT / name for name in listed.stdout.splitlines()]


def test_no_file_names_a_path_of_a_machine_or_a_registry():
    """Whoever clones the repository has other paths."""
    wrong = re.compile(r"/(?:work|root)/\w|pypi\.org/simple|pythonhosted\.org|deb\.debian\.org")
    found = []
    for path in committed_files():
        if path == Path(__file__).resolve() or not path.exists():
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in wrong.finditer(text)]
    assert not found, "\n".join(found)


def test_no_test_hides_another_of_the_same_name():
    """Python keeps the last of two functions of one name, and the first never runs."""
    hidden = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        names = [node.name for node in ast.parse(path.read_text()).body if hasattr(node, "name")]
        hidden += [f"{path.name}: {name}" for name in set(names) if names.count(name) > 1]
    assert not hidden, "\n".join(hidden)
