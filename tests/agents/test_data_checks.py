"""Notes about data that a model can hardly learn from."""

from types import SimpleNamespace

import numpy as np
import pytest

from dreamer_tf.agents import data_checks
from dreamer_tf.replay.episode_replay import Sequences
from tests.small_models import configure, make_agent, make_learner

SIZE = (4, 6)


def batch(reward=0.0, **observation):
    flags = np.zeros(SIZE, bool)
    return Sequences(
        observation, np.zeros(SIZE, np.int32), np.full(SIZE, reward, np.float32), *[flags] * 3
    )


def image(low, high):
    pixels = np.full((*SIZE, 8, 8, 1), low, np.uint8)
    pixels[:, :, 0] = high
    return pixels


@pytest.mark.parametrize(
    ("found", "transform", "words"),
    [
        (batch(1000.0), "tanh", "WorldModel.reward_transform = 'identity'"),
        (batch(-1000.0), "identity", "WorldModel.reward_transform = 'tanh'"),
        (batch(image=image(0, 10)), "tanh", "create_gym_environment.one_hot"),
        (batch(ram=np.tile(np.arange(9, dtype=np.uint8), (*SIZE, 1))), "tanh", "{'ram': 8}"),
        (batch(arm=np.full((*SIZE, 3), -1e6, np.float32)), "tanh", "{'arm': 1e+06}"),
    ],
)
def test_what_training_will_hardly_see_is_named_once(found, transform, words):
    [note] = data_checks.notes(found, transform)
    assert words in note


def test_usual_data_is_not_named():
    rewards = np.zeros(SIZE)
    rewards[0] = 5000.0  # rare large rewards, as in many games
    usual = batch(
        rewards, image=image(0, 255), flat=image(7, 7), arm=np.ones((*SIZE, 3), np.float32)
    )
    assert data_checks.notes(usual, "tanh") == []
    assert data_checks.notes(batch(1.0), "identity") == []


def test_the_agent_says_it_when_it_begins_to_learn(tmp_path, capsys):
    configure("DreamerV2Agent.prefill_steps=10", "DreamerV2Agent.train_ratio=5")
    agent = make_agent(tmp_path)
    observation = {"vector": np.array([1.0, 2.0, 1e6], np.float32)}
    agent.begin_episode(observation)
    for _ in range(20):
        agent.step(0.0, observation)
    agent.close()
    errors = capsys.readouterr().err
    assert agent.updates > 1 and errors.count("the observation 'vector' has numbers") == 1


def test_what_happens_while_a_run_goes_on_is_said_once(capsys):
    configure("WorldModel.predict_discount=False")
    found = data_checks.DataNotes(make_learner().world_model)
    assert not found.can_sample(SimpleNamespace(can_sample=lambda: False))
    assert found.can_sample(SimpleNamespace(can_sample=lambda: True))
    found.look_at_the_end(False)
    assert "no stored episode is long enough" in capsys.readouterr().err
    found.can_sample(SimpleNamespace(can_sample=lambda: False))
    assert not capsys.readouterr().err
    for _ in range(2):
        found.look_at_the_end(True)
    assert capsys.readouterr().err.count("WorldModel.predict_discount is False") == 1


def test_a_model_that_predicts_ends_hears_nothing(capsys):
    configure()
    data_checks.DataNotes(make_learner().world_model).look_at_the_end(True)
    assert not capsys.readouterr().err
