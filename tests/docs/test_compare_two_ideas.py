"""The notebook `examples/compare_two_ideas.ipynb`."""

import pytest

import dreamer_tf
from tests.docs import notebooks
from tests.docs.pages import ROOT

NOTEBOOK = ROOT / "examples/compare_two_ideas.ipynb"


def test_the_notebook_is_small_and_has_no_outputs():
    notebooks.check_source(NOTEBOOK)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_two_variants_with_two_seeds_end_in_a_figure_and_a_page(tmp_path, monkeypatch):
    outputs = notebooks.execute(NOTEBOOK, tmp_path, monkeypatch)
    metrics = dreamer_tf.load_metrics(str(tmp_path / "runs/*/Catch/*"))
    returns = metrics[metrics.metric == "Eval/AverageReturns"]
    counts = returns.groupby(["config", "seed"]).size()
    assert sorted(counts.index) == [(c, s) for c in ("images", "no_images") for s in (0, 1)]
    assert set(counts) == {3}
    # The variants differ in what they were meant to differ in, from the same beginning.
    losses = metrics[metrics.metric == "Agent/image_error"].groupby("config").value.mean()
    assert losses["images"] < losses["no_images"]
    assert {"image/png", "text/html", "text/markdown"} <= notebooks.kinds(outputs)
    shown = [output.get("data", {}) for output in outputs]
    [table] = [data["text/markdown"] for data in shown if "text/markdown" in data]
    assert "gradient_heads ('reward', 'discount') instead of" in table
    page = (tmp_path / "report.html").read_text()
    assert "gradient_heads" in page and len(page) > 100_000
