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


EVEN, UNEVEN = np.ones(26), np.random.default_rng(5).lognormal(0.0, 1.0, 26)  # means of 26 games


def returns(random, means, runs):
    """Normal returns of one agent, with a spread of a fifth of the mean of the game."""
    return [mean * (1.0 + 0.2 * random.standard_normal(runs)) for mean in means]


@pytest.mark.parametrize("runs", [2, 3, 5, 10])
def test_how_often_intervals_over_many_games_hold_the_true_value(runs):
    """The figures of the checklist and of docs/comparing.md, of the mean over the games."""

    def share(true):
        random, held = np.random.default_rng(0), []
        for _ in range(600):
            drawn = bootstrap.resample(returns(random, true, runs), 300)
            low, high = bootstrap.percentiles(bootstrap.means(drawn).mean(1))
            held.append(low <= true.mean() <= high)
        return np.mean(held)

    most = bootstrap.coverage_over_games(runs)
    assert share(EVEN) == pytest.approx(most, abs=0.04)
    assert share(UNEVEN) < most + 0.02


def test_equal_agents_are_rarely_told_apart():
    """With two runs a game the usual samples tell them apart more than twice as often."""

    def share(widen):
        random, apart = np.random.default_rng(0), []
        for _ in range(200):
            ends = []
            for runs in (returns(random, EVEN, 2), returns(random, EVEN, 2)):
                values = bootstrap.iqm(bootstrap.resample(runs, 300))
                ends.append(bootstrap.widened(values, runs) if widen else values)
            low, high = bootstrap.percentiles(ends[0] - ends[1])
            apart.append(low > 0.0 or high < 0.0)
        return np.mean(apart)

    assert share(True) < 0.1 < 0.18 < share(False)


def test_widened_values_have_their_mean_and_the_variance_of_the_runs():
    runs = [np.array([1.0, 4.0, 10.0]), np.array([7.0])]
    values = bootstrap.means(bootstrap.resample(runs, 20_000))[:, 0]
    found = bootstrap.widened(values, runs)
    assert found.mean() == pytest.approx(5.0, abs=0.05)
    assert found.var() == pytest.approx(runs[0].var(ddof=1) / 3, rel=0.03)
    np.testing.assert_array_equal(bootstrap.widened(values, [np.array([7.0])]), values)


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
