"""Progress and seeds of the phases."""

import itertools
import json

import pytest

from dreamer_tf.experiment.phases import PHASES, no_progress, phase_seeds, unfinished


def test_progress_starts_at_zero_and_fits_into_a_checkpoint():
    phases = no_progress()
    assert set(phases) == set(PHASES)
    assert json.loads(json.dumps(phases)) == phases
    phases["train"]["returns"].append(1.0)
    assert no_progress()["train"]["returns"] == []


def test_seeds_differ_in_everything_they_are_derived_from_and_repeat():
    arguments = itertools.product((0, 1), (0, 1), PHASES, (0, 1))
    found = [tuple(phase_seeds(*each, count=3)) for each in arguments]
    seeds = list(itertools.chain(*found))
    assert len(set(seeds)) == len(seeds) == 16 * 3
    assert all(0 <= seed < 2**31 for seed in seeds)  # what Gymnasium accepts
    assert tuple(phase_seeds(0, 0, "train", 0, 3)) == found[0]


def test_more_environments_keep_the_seeds_of_the_first():
    assert phase_seeds(3, 2, "eval", 0, 1) == phase_seeds(3, 2, "eval", 0, 4)[:1]


@pytest.mark.parametrize(
    ("done", "returns", "steps", "episodes", "expected"),
    [
        (9, 1, 10, None, True),
        (10, 1, 10, None, False),
        (10, 0, 10, None, True),  # every phase has a return
        (0, 0, 0, None, False),  # no evaluation
        (99, 1, 10, 2, True),
        (1, 2, 10, 2, False),
        (1, 1, 0, 2, True),
    ],
)
def test_a_phase_has_enough_agent_steps_or_enough_episodes(
    done, returns, steps, episodes, expected
):
    phase = no_progress()["eval"]
    phase["steps"], phase["returns"] = done, [0.0] * returns
    assert unfinished(phase, steps, episodes) == expected
