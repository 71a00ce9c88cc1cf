"""The notebook in `examples/`."""

import ast
import json
import os

import pytest

from tests.docs.pages import ROOT

NOTEBOOK = ROOT / "examples/quickstart.ipynb"


def test_the_notebook_is_small_and_has_no_outputs():
    assert NOTEBOOK.stat().st_size < 50_000
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    for cell in code:
        ast.parse("".join(cell["source"]))
        assert cell["outputs"] == [] and cell["execution_count"] is None


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_notebook_trains_catch_and_dreams(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    # The kernel is another process in another directory; it must import this source.
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(
        notebook, timeout=1400, kernel_name="python3", resources=resources
    ).execute()
    assert (tmp_path / "dream.gif").read_bytes()[:4] == b"GIF8"
    lines = (tmp_path / "runs/quickstart/Catch/0/metrics/json_lines/metrics.jsonl").read_text()
    rows = [json.loads(line) for line in lines.splitlines()]
    returns = [row["Eval/AverageReturns"] for row in rows if "Eval/AverageReturns" in row]
    assert len(returns) == 3 and returns[-1] > 0  # a random policy has -0.7
    pictures = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    kinds = {kind for output in pictures for kind in output.get("data", {})}
    assert {"image/png", "image/gif"} <= kinds
