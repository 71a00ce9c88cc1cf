"""Open-loop predictions: their indices, their pictures, and that looking changes nothing."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.agents.learner import Learner
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import dreaming, gin_files, policy
from dreamer_tf.experiment.runner import DreamerRunner
from tests.helpers import TINY, ScriptedEnvironment
from tests.small_models import everything, sequences


def make_learner():
    gin_files.parse(["atari.gin"], TINY)
    environment = ScriptedEnvironment(images=True)
    return Learner(environment.observation_space, environment.action_space, seed=0)


def batch_of(learner, found):
    return learner.encoding.batch(tf.nest.map_structure(tf.constant, found))


def flags_of_one_episode(found):
    first = np.zeros_like(found.is_first)
    first[:, 0] = True
    return found._replace(is_first=first)


def predictions(learner, found, context, mode_samples):
    seed = tf.constant([1, 2])
    return learner.world_model.open_loop(batch_of(learner, found), seed, context)[1]


def test_open_loop_sees_the_context_and_nothing_after_it(mode_samples):
    learner = make_learner()
    found = flags_of_one_episode(sequences(images=True))
    before = predictions(learner, found, 3, mode_samples)
    for key, stored in found.observation.items():
        changed = stored.copy()
        changed[:, 3:] = 255 - changed[:, 3:] if stored.dtype == np.uint8 else 9.0
        after = predictions(
            learner,
            found._replace(observation=found.observation | {key: changed}),
            3,
            mode_samples,
        )
        for name in before:
            np.testing.assert_array_equal(before[name], after[name])
        changed = stored.copy()
        changed[:, 2] = 255 - changed[:, 2] if stored.dtype == np.uint8 else 9.0
        after = predictions(
            learner,
            found._replace(observation=found.observation | {key: changed}),
            3,
            mode_samples,
        )
        assert np.abs(before["vector"] - after["vector"])[:, 2:].max() > 0
        np.testing.assert_array_equal(before["vector"][:, :2], after["vector"][:, :2])


def test_dreamt_actions_are_those_that_led_to_the_prediction(mode_samples):
    """The action of index t changes the prediction of t and of what follows, nothing before."""
    learner = make_learner()
    found = flags_of_one_episode(sequences(images=True))
    before = predictions(learner, found, 2, mode_samples)["vector"].numpy()
    for step in range(1, 6):
        action = found.action.copy()
        action[:, step] = (action[:, step] + 1) % 3
        after = predictions(learner, found._replace(action=action), 2, mode_samples)["vector"]
        np.testing.assert_array_equal(before[:, :step], after[:, :step])
        assert np.abs(before[:, step] - after[:, step]).min(axis=-1).max() > 0


def test_the_context_is_reconstructed_as_in_training(mode_samples):
    learner = make_learner()
    found = flags_of_one_episode(sequences(images=True))
    batch = batch_of(learner, found)
    truth, prediction = learner.world_model.open_loop(batch, tf.constant([1, 2]), 5)
    _, outputs = learner.world_model.loss(batch, tf.constant([1, 2]), 0)
    error = 0.5 * tf.reduce_sum(tf.square(truth["vector"] - prediction["vector"]), -1)
    floor = learner.world_model.loss_floors["vector"]
    np.testing.assert_allclose(
        (error + floor)[:, :5], -outputs.log_likelihoods["vector"][:, :5], rtol=1e-5
    )


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

    def spy(state, counter, seed):
        given.append(int(np.argmax(state.action)))
        return dream_step(state, counter, seed)

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
