"""Runs the notebooks in `examples/` as users do."""

import ast
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT


def check_source(notebook: Path) -> None:
    """A notebook is small, has no outputs, and its code is Python."""
    assert notebook.stat().st_size < 50_000
    cells = json.loads(notebook.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    for cell in code:
        ast.parse("".join(cell["source"]))
        assert cell["outputs"] == [] and cell["execution_count"] is None


def execute(notebook: Path, directory: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Runs all cells in an empty directory.

    Returns:
      The outputs of all cells.
    """
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    # The kernel is another process in another directory; it must import this source.
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    read = nbformat.read(notebook, as_version=4)
    resources = {"metadata": {"path": str(directory)}}
    nbclient.NotebookClient(
        read, timeout=1400, kernel_name="python3", resources=resources
    ).execute()
    return [output for cell in read.cells for output in cell.get("outputs", [])]


def kinds(outputs: list[Any]) -> set[str]:
    """MIME types of everything that the cells show."""
    return {kind for output in outputs for kind in output.get("data", {})}
