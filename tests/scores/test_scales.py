"""What a normalized score means, on either suite."""

import pytest

from dreamer_tf.scores import aggregate, scales


def test_games_have_the_scale_of_their_suite():
    assert scales.of(["pong", "boxing"]) is scales.ATARI
    assert scales.of(["walkerwalk"]) is scales.CONTROL_SUITE
    assert scales.of([]) is scales.ATARI


@pytest.mark.parametrize("scale", [scales.ATARI, scales.CONTROL_SUITE])
def test_a_scale_names_statistics_that_exist(scale):
    assert set(scale.statistics) <= set(aggregate.STATISTICS)
    assert "IQM" in scale.statistics and scale.meaning.startswith("where ")


def test_a_task_of_the_control_suite_ends_at_the_highest_return():
    assert aggregate.normalize("walkerwalk", 250.0, "Gamer") == pytest.approx(0.25)
    assert aggregate.reference("cheetahrun", "Record") == (0.0, scales.HIGHEST)
