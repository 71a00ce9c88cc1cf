"""The runner's part of a checkpoint fits its schema, and other parts do not."""

import json

import pytest

from dreamer_tf.experiment.phases import no_progress
from dreamer_tf.experiment.saved import check_runner
from dreamer_tf.scores.score_files import Score

SCORE = Score(0, 1.5, "DreamerV2", "eval", "Pong", 0, 400, 3, "machado2018", "ff")
RUNNER = {
    "iteration": 1,
    "phases": no_progress(),
    "interruptions": 0,
    "logs": {"iteration_0": {"train_episode_returns": [1.0]}},
    "scores": [SCORE],
    "log_sizes": {"metrics/json_lines/metrics.jsonl": 120},
}


def test_what_the_runner_saves_fits():
    check_runner(json.loads(json.dumps({"runner": RUNNER})))


@pytest.mark.parametrize("key", RUNNER)
@pytest.mark.parametrize("value", [None, "text", -1, 10**400, [[1]]])
def test_a_part_of_another_type_is_refused(key, value):
    with pytest.raises(ValueError, match="'runner' of its state is wrong"):
        check_runner({"runner": RUNNER | {key: value}})
    with pytest.raises(ValueError, match="'runner' of its state is wrong"):
        check_runner({"runner": {name: part for name, part in RUNNER.items() if name != key}})


@pytest.mark.parametrize("state", [{}, {"runner": None}, {"runner": []}])
def test_a_state_without_a_runner_is_refused(state):
    with pytest.raises(ValueError, match="'runner' of its state is wrong"):
        check_runner(state)
