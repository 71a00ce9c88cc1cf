"""Open-loop predictions: their indices, their pictures, and that looking changes nothing."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import dreaming, gin_files, policy
from dreamer_tf.experiment.runner import DreamerRunner
from tests.helpers import TINY, ScriptedEnvironment
from tests.small_models import everything


class Walk(ScriptedEnvironment):
    """Shows the sum of the actions that were taken."""

    def __init__(self):
        super().__init__([(12, "terminated")], images=True)
        self.taken = []
        self.action_space = gymnasium.spaces.Discrete(3)

    def step(self, action):
        self.taken.append(int(action))
        return super().step(action)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A run with images whose episodes have 12 steps."""
    import gin

    gin.clear_config()
    directory = tmp_path_factory.mktemp("run")
    gin_files.parse(
        ["atari.gin"],
        [
            *TINY,
            "DreamerRunner.dream_length=12",
            "DreamerRunner.dream_context=2",
            "DreamerV2Agent.log_every=1",
        ],
    )
    gin.bind_parameter("DreamerRunner.create_environment_fn", None)
    runner = DreamerRunner(directory, Walk)
    gin_files.record(directory, 0)
    runner.run_experiment()
    runner.agent.replay.close()
    return directory


def test_every_iteration_writes_a_gif_and_histograms(stored):
    [gif] = (stored / "dreams").iterdir()
    assert gif.name == "iteration-000000.gif" and gif.read_bytes()[:4] == b"GIF8"
    lines = (stored / "metrics/json_lines/metrics.jsonl").read_text()
    for name in ("image_error_seen", "image_error_dreamt", "vector_error_dreamt"):
        assert f"Dream/{name}" in lines
    [events] = (stored / "metrics/tensorboard").glob("*.media")
    values = {}
    for record in tf.data.TFRecordDataset(str(events)):
        for value in tf.compat.v1.Event.FromString(record.numpy()).summary.value:
            values[value.tag] = value
    assert values["Dream/video"].image.encoded_image_string == gif.read_bytes()
    for name in ("kl", "value", "actor_entropy", "predicted_reward", "posterior_entropy"):
        assert values[f"Histogram/{name}"].tensor.ByteSize() > 0


def test_a_stored_run_predicts_its_environment_and_its_replay(stored):
    environment = Walk()
    found = policy.load_policy(stored, environment=environment)
    dream = dreaming.in_environment(found.agent, found.environment, 3, 6, random=True, seed=1)
    assert dream.truth["image"].shape == dream.prediction["image"].shape == (1, 9, 64, 64, 1)
    assert dream.context == 3 and len(environment.taken) == 8
    # What is shown as truth at step t is what the environment showed after t actions.
    np.testing.assert_array_equal(dream.truth["vector"][0, :, 1], np.arange(9))
    reloaded = policy.load_policy(stored, environment=Walk())
    again = dreaming.in_environment(reloaded.agent, reloaded.environment, 3, 6, random=True, seed=1)
    np.testing.assert_array_equal(again.prediction["image"], dream.prediction["image"])
    until_the_end = dreaming.in_environment(found.agent, found.environment, 3, 40)
    assert until_the_end.truth["image"].shape[1] == 13
    stored_dream = dreaming.in_replay(found.agent, found.open_replay(), 2, 3, 9)
    assert stored_dream.truth["image"].shape == (2, 12, 64, 64, 1)
    with pytest.raises(UserError, match="No stored episode has 14 steps"):
        dreaming.in_replay(found.agent, found.open_replay(), 2, 3, 11)


def test_the_dreamt_action_is_the_one_that_is_taken(stored, monkeypatch):
    """Environment and model are given the same actions, each in the state it was chosen in."""
    environment = Walk()
    found = policy.load_policy(stored, environment=environment)
    inspector, given = found.agent.learner.inspector, []
    dream_step = inspector.dream_step

    def spy(state, *arguments):
        given.append(int(np.argmax(state.action)))
        return dream_step(state, *arguments)

    monkeypatch.setattr(inspector, "dream_step", spy)
    for random in (False, True):
        given.clear()
        environment.taken.clear()
        dreaming.in_environment(found.agent, found.environment, 3, 6, random=random)
        assert environment.taken[2:] == given and len(given) == 6


def test_looking_changes_nothing(tmp_path):
    """Weights, replay state and scores with and without looking at the model."""
    states = []
    for name, every in (("look", 1), ("blind", 0)):
        gin_files.parse(["atari.gin"], [*TINY, f"DreamerRunner.dream_every={every}"])
        runner = DreamerRunner(tmp_path / name, lambda: ScriptedEnvironment([(15, "truncated")]))
        runner.run_experiment()
        states.append(everything(runner))
        del states[-1].state["agent"]["seconds"]
    for name, value in states[0].arrays.items():
        np.testing.assert_array_equal(value, states[1].arrays[name])
    assert states[0].state == states[1].state


def test_sequences_for_looking_lie_within_an_episode(stored):
    replay = policy.load_policy(stored, environment=Walk()).open_replay()
    found = replay.whole_sequences(50, 5, np.random.default_rng(0))
    steps = found.observation["vector"][..., 1]
    np.testing.assert_array_equal(np.diff(steps), 1)
    assert set(steps[:, 0]) == set(range(9))
    assert found.is_first[:, 0].all() and not found.is_first[:, 1:].any()
    assert replay.whole_sequences(1, 14, np.random.default_rng(0)) is None


def test_a_context_as_long_as_the_prediction_is_named(tmp_path):
    gin_files.parse(["atari.gin"], [*TINY, "DreamerRunner.dream_context=50"])
    with pytest.raises(UserError, match=r"DreamerRunner\.dream_context is 50"):
        DreamerRunner(tmp_path, ScriptedEnvironment)
