"""The bootstrap of many samples at once gives what rliable computes for one after another."""

import numpy as np
import pytest

from dreamer_tf.scores import bootstrap

RUNS = [np.array([0.1, 0.5, 3.0, 0.9]), np.array([2.0, -0.3, 0.4, 0.6]), np.array([1, 1, 1, 8.0])]


@pytest.fixture(scope="module")
def samples():
    return bootstrap.resample(RUNS, 20)


def matrices(samples):
    """Runs x games of each sample, as rliable takes them."""
    return np.stack(samples, 2)


def test_the_metrics_of_every_sample_are_those_of_rliable(samples):
    from rliable import library, metrics

    taus = np.array([-1.0, 0.45, 1.0, 5.0])
    other = bootstrap.resample([scores * 0.7 + 0.1 for scores in RUNS], 20)
    found = zip(
        bootstrap.iqm(samples),
        bootstrap.optimality_gap(samples),
        bootstrap.shares_above(samples, taus),
        bootstrap.win_rates(samples, other),
        matrices(samples),
        matrices(other),
        strict=True,
    )
    for iqm, gap, shares, rate, matrix, lower in found:
        assert iqm == pytest.approx(metrics.aggregate_iqm(matrix))
        assert gap == pytest.approx(metrics.aggregate_optimality_gap(matrix))
        np.testing.assert_allclose(shares, library.score_distributions(matrix, list(taus)))
        assert rate == pytest.approx(metrics.probability_of_improvement(matrix, lower))


def test_runs_are_drawn_within_their_game(samples):
    for drawn, runs in zip(samples, RUNS, strict=True):
        assert drawn.shape == (20, 4) and set(drawn.ravel()) <= set(runs)
    assert len({tuple(row) for row in samples[0]}) > 10


def test_the_draws_depend_on_the_scores_alone():
    again = bootstrap.resample([runs[::-1] for runs in RUNS], 20)
    np.testing.assert_array_equal(again, bootstrap.resample(RUNS, 20))
    other = bootstrap.resample([runs + 1.0 for runs in RUNS], 20)
    assert not np.array_equal(np.argsort(again[0]), np.argsort(other[0]))


@pytest.mark.parametrize("runs", bootstrap.COVERAGE)
def test_how_often_intervals_of_few_runs_hold_the_true_mean(runs):
    """The figures of the page and of docs/comparing.md, from normal returns around 0."""
    low, high = bootstrap.mean_intervals(np.random.default_rng(0).normal(size=(4000, runs)), 1000)
    share = np.mean((low <= 0.0) & (high >= 0.0))
    assert share == pytest.approx(bootstrap.coverage(runs), abs=0.02)
    assert bootstrap.coverage(runs) <= bootstrap.coverage(runs + 1) < 0.95


def test_long_tables_are_sorted_in_parts(monkeypatch):
    """19 and 7 runs have no small common multiple, so a table of every sample at once is large."""
    runs = [np.linspace(0, 1, 19), np.linspace(2, 3, 7)]
    samples = bootstrap.resample(runs, 9)
    whole = bootstrap.iqm(samples)
    monkeypatch.setattr(bootstrap, "_CHUNK", 500)
    np.testing.assert_allclose(bootstrap.iqm(samples), whole, rtol=1e-12)


def test_means_have_the_interval_of_their_runs():
    rows = np.array([[1.0, 2.0, 3.0, 4.0], [10.0, 10.0, 10.0, 10.0]])
    low, high = bootstrap.mean_intervals(rows, 500)
    assert 1.0 <= low[0] < 2.5 < high[0] <= 4.0 and (low[1], high[1]) == (10.0, 10.0)
