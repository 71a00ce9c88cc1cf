"""The examples of docs/change_one_idea.md: each changes what it says, and stays short."""

import importlib
import sys
from pathlib import Path

import gymnasium
import jax
import numpy as np
import pytest

from dreamer_tf.agents.learner import Learner
from dreamer_tf.experiment import gin_files, launch
from tests.agents.dopamine_runs import SHORT, assert_same, run
from tests.helpers import TINY

ROOT = Path(__file__).resolve().parents[2]
IDEAS = ROOT / "examples/ideas"
PAGE = (ROOT / "docs/change_one_idea.md").read_text()
IMAGES = gymnasium.spaces.Dict({"image": gymnasium.spaces.Box(0, 255, (64, 64, 1), np.uint8)})


@pytest.fixture
def ideas(monkeypatch):
    """Lets gin import the examples, and forgets them afterwards."""
    monkeypatch.syspath_prepend(str(IDEAS))
    monkeypatch.chdir(ROOT)
    yield
    for path in IDEAS.glob("*.py"):
        sys.modules.pop(path.stem, None)


def updated(*files, space=IMAGES, **observations):
    """A learner after one update of every weight, and its metrics."""
    gin_files.parse(["catch.gin", *(f"examples/ideas/{name}.gin" for name in files)], TINY)
    learner = Learner(space, gymnasium.spaces.Discrete(3), seed=0)
    rng = np.random.default_rng(0)
    from tests.small_models import sequences

    batch = sequences(images=True)
    images = {"image": batch.observation["image"]}
    for key, shape in observations.items():
        images[key] = rng.integers(0, 256, (*batch.reward.shape, *shape), np.uint8)
    metrics = learner.update(batch._replace(observation=images))
    assert all(np.isfinite(float(value)) for value in metrics.values())
    return learner, metrics


def test_every_example_is_short_and_on_the_page():
    for path in [*IDEAS.glob("*.py"), *IDEAS.glob("*.gin")]:
        assert len(path.read_text().splitlines()) < 50, path
        assert path.name in PAGE, path


def test_free_nats_replace_balancing(ideas):
    _, metrics = updated("free_nats")
    assert float(metrics["kl_loss"]) >= 3.0 > float(metrics["kl"])


def test_an_encoder_of_another_kind(ideas):
    learner, _ = updated("resnet_encoder")
    encoder = learner.world_model.encoder
    assert type(encoder).__name__ == "ResNetEncoder" and encoder.size == 4 * 4 * 128
    assert any("resnet3.two" in variable.path for variable in encoder.trainable_variables)


def test_the_ram_is_predicted_and_seen_by_nobody(ideas):
    ram = gymnasium.spaces.Box(0, 255, (128,), np.uint8)
    space = gymnasium.spaces.Dict({**IMAGES.spaces, "ram": ram})
    learner, metrics = updated("predict_ram", space=space, ram=(128,))
    assert float(metrics["ram_head_loss"]) > 0.0
    assert learner.world_model.decoder.keys == ["image"]
    assert not any("vector" in variable.path for variable in learner.world_model.variables)


def test_rewards_have_bins(ideas):
    _, metrics = updated("twohot_reward")
    assert float(metrics["reward_loss"]) == pytest.approx(np.log(63), rel=0.3)
    twohot = importlib.import_module("twohot_reward")
    bins = np.linspace(-10, 10, 63).astype(np.float32)
    logits = np.full((4, 63), -100.0, np.float32)
    rewards = np.float32([0.0, 1.0, -30.0, 500.0])
    values = twohot.symlog(rewards).numpy()
    for row, value in enumerate(values):  # the shares of the two bins
        near = np.maximum(0.0, 1.0 - np.abs(bins - value) / (bins[1] - bins[0]))
        logits[row] = np.log(near + 1e-12)
    distribution = twohot.TwoHot(logits, bins)
    np.testing.assert_allclose(twohot.symlog(distribution.mean()), values, atol=1e-3)


def test_curiosity_pays_where_the_ensemble_disagrees(ideas):
    learner, metrics = updated("curiosity")
    assert float(metrics["curiosity_loss"]) > 0.0
    model = learner.world_model
    features = np.random.default_rng(0).normal(size=(5, model.feature_size)).astype(np.float32)
    assert (model.imagined_reward(features) > model.reward(features)).numpy().all()


def test_an_agent_of_ones_own_learns_resumes_and_scores(ideas, tmp_path):
    short = [*TINY, "Runner.training_steps=1500", "Runner.evaluation_steps=20"]
    short += ["Runner.max_steps_per_episode=100"]
    for iterations in (1, 2):
        bindings = [*short, f"Runner.num_iterations={iterations}"]
        gin_files.parse(["gym.gin", "examples/ideas/tabular_q.gin"], bindings)
        runner = launch.make_runner(str(tmp_path), 0)
        runner.run_experiment()
        runner.close()
    scores = [score for score in runner.scores if score.phase == "eval"]
    assert len(scores) == 2 and scores[-1].value == 1.0  # it reaches the goal
    assert runner.agent.agent_steps >= 3000 and scores[-1].agent == "Tabular Q"


def test_an_agent_of_ones_own_from_dopamine_learns_and_resumes_exactly(ideas, tmp_path):
    found = []
    for name, parts in (("whole", [2]), ("parts", [1, 2])):
        for iterations in parts:
            early = ["JaxDQNAgent.min_replay_history=10", "SoftTargetDQN.tau=0.25"]
            gin_files.parse(["dqn.gin", "examples/ideas/soft_target_dqn.gin"], [*SHORT, *early])
            runner = run(tmp_path / name, iterations)
        found.append(runner)
    agent = found[0].agent.dopamine
    assert type(agent).__name__ == "SoftTargetDQN" and agent.observation_shape == (20, 20)
    assert found[0].scores[-1].agent == "DQN with soft targets" and found[0].agent.updates > 3
    online, target = (
        np.concatenate([np.ravel(leaf) for leaf in jax.tree_util.tree_leaves(tree)])
        for tree in (agent.online_params, agent.target_network_params)
    )
    assert 0.0 < np.abs(online - target).max() < 0.1  # it follows, a step behind
    assert_same(*found)


def test_the_first_step_of_laprop_has_the_length_of_the_learning_rate(ideas):
    """Both means are corrected, so they are the gradient's square and its sign."""
    gin_files.parse(["catch.gin"], TINY)
    before = Learner(IMAGES, gymnasium.spaces.Discrete(3), seed=0).actor_critic.actor
    learner, _ = updated("laprop")
    steps = np.concatenate(
        [
            np.ravel(old * (1.0 - 1e-6) - new)
            for old, new in zip(
                before.trainable_variables,
                learner.actor_critic.actor.trainable_variables,
                strict=True,
            )
        ]
    )
    rate = float(learner.variables()["actor/LaProp/001.learning_rate"])
    moved = np.abs(steps[np.abs(steps) > 0.5 * rate])
    assert len(moved) > 0.9 * len(steps)
    np.testing.assert_allclose(moved, rate, rtol=0.01)


def test_targets_are_those_of_the_smaller_critic(ideas):
    learner, _ = updated("twin_critics")
    behavior = learner.actor_critic
    features = np.random.default_rng(0).normal(size=(5, learner.world_model.feature_size))
    features = features.astype(np.float32)
    first, second = (twin.value(features).numpy() for twin in behavior.target_critic.twins)
    assert (first != second).all()
    np.testing.assert_array_equal(behavior.value(features), np.minimum(first, second))
    fresh = Learner(IMAGES, gymnasium.spaces.Discrete(3), seed=0).actor_critic
    for twin, before in zip(behavior.critic.twins, fresh.critic.twins, strict=True):
        assert (twin.value(features).numpy() != before.value(features).numpy()).all()  # both learn
