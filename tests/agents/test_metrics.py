"""Averages over updates, and how they are written."""

import pytest

from dreamer_tf.agents.metrics import MetricAverager, write_agent_metrics


def test_a_line_is_the_average_of_its_updates():
    averager = MetricAverager(3)
    assert [averager.add({"loss": value}) for value in (1.0, 2.0, 6.0)] == [False, False, True]
    assert averager.latest == {"loss": 3.0} and averager.pending == []


def test_the_first_update_of_a_line_is_shown_at_once():
    averager = MetricAverager(3)
    averager.add({"loss": 1.0})
    assert averager.latest == {"loss": 1.0}
    averager.add({"loss": 5.0})
    assert averager.latest == {"loss": 1.0}


def test_a_metric_that_is_missing_from_an_update_does_not_count():
    averager = MetricAverager(2)
    averager.add({"loss": 1.0, "kl": 2.0})
    averager.add({"loss": 3.0})
    assert averager.latest == {"loss": 2.0, "kl": 2.0}


class Dispatcher:
    def __init__(self):
        self.written = []

    def write(self, statistics, collector_allowlist):
        self.written += [(item.name, item.value, item.step) for item in statistics]
        self.allowed = collector_allowlist


def test_metrics_and_seconds_are_written_by_name():
    dispatcher = Dispatcher()
    write_agent_metrics(dispatcher, {"loss": 1.0}, {"policy": 2.0}, 7)
    assert dispatcher.written == [("Agent/loss", 1.0, 7), ("Agent/seconds_policy", 2.0, 7)]
    assert all(name in dispatcher.allowed for name in ("tensorboard", "json_lines", "mine"))
    assert "console" not in dispatcher.allowed  # the console has a progress bar
    write_agent_metrics(None, {"loss": 1.0}, {}, 7)


@pytest.mark.parametrize("every", [1, 2])
def test_latest_is_renewed_when_a_line_is_full(every):
    averager = MetricAverager(every)
    full = [averager.add({"loss": float(value)}) for value in range(2 * every)]
    assert sum(full) == 2 and averager.latest == {"loss": 1.0 if every == 1 else 2.5}
