"""The notebook `examples/quickstart.ipynb`."""

import json

import pytest

from tests.docs import notebooks
from tests.docs.pages import ROOT

NOTEBOOK = ROOT / "examples/quickstart.ipynb"


def test_the_notebook_is_small_and_has_no_outputs():
    notebooks.check_source(NOTEBOOK)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_notebook_trains_catch_and_dreams(tmp_path, monkeypatch):
    outputs = notebooks.execute(NOTEBOOK, tmp_path, monkeypatch)
    assert (tmp_path / "dream.gif").read_bytes()[:4] == b"GIF8"
    lines = (tmp_path / "runs/quickstart/Catch/0/metrics/json_lines/metrics.jsonl").read_text()
    rows = [json.loads(line) for line in lines.splitlines()]
    returns = [row["Eval/AverageReturns"] for row in rows if "Eval/AverageReturns" in row]
    assert len(returns) == 3 and returns[-1] > 0  # a random policy has -0.7
    assert {"image/png", "image/gif"} <= notebooks.kinds(outputs)
