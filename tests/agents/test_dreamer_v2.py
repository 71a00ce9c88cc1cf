"""The agent and its learner: what is stored, when it learns, exact resume."""

import json

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.agents.learner import Learner
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import launch
from dreamer_tf.experiment.runner import DreamerRunner
from dreamer_tf.storage.checkpoints import Checkpoint
from tests.helpers import ScriptedEnvironment, bind
from tests.small_models import configure, everything, make_agent, make_learner, sequences


def test_the_replay_holds_what_arrived(tmp_path):
    """Image, the action that LED to it, its reward, and the flags, at every index."""
    configure("EpisodeReplay.sequence_length=6", "DreamerV2Agent.prefill_steps=1000")
    agent = make_agent(tmp_path)
    environment = ScriptedEnvironment()
    actions, rewards = [0], [0.0]
    action = agent.begin_episode(environment.reset())
    for _ in range(4):
        observation, reward, *_ = environment.step(action)
        actions.append(action)
        rewards.append(reward)
        action = agent.step(reward, observation)
    observation, reward, terminated, *_ = environment.step(action)
    actions.append(action)
    rewards.append(reward)
    agent.end_episode(reward, terminated, observation)
    batch = agent.replay.sample()
    for row in range(3):
        np.testing.assert_array_equal(batch.observation["vector"][row, :, 1], np.arange(6))
        np.testing.assert_array_equal(batch.action[row], actions)
        np.testing.assert_array_equal(batch.reward[row], rewards)
        np.testing.assert_array_equal(batch.is_first[row], [1, 0, 0, 0, 0, 0])
        np.testing.assert_array_equal(batch.is_last[row], [0, 0, 0, 0, 0, 1])
        np.testing.assert_array_equal(batch.is_terminal[row], [0, 0, 0, 0, 0, 1])


def test_evaluation_stores_and_learns_nothing(tmp_path):
    configure()
    agent = make_agent(tmp_path)
    agent.eval_mode = True
    environment = ScriptedEnvironment()
    before = {name: value.numpy() for name, value in agent.learner.variables().items()}
    agent.begin_episode(environment.reset())
    for _ in range(30):
        agent.step(0.0, environment._observation())
    agent.end_episode(0.0, True)
    assert len(agent.replay) == 0 and agent.agent_steps == 0
    for name, value in agent.learner.variables().items():
        np.testing.assert_array_equal(value.numpy(), before[name])


def test_last_observation_is_required(tmp_path):
    configure()
    agent = make_agent(tmp_path)
    agent.begin_episode(ScriptedEnvironment().reset())
    with pytest.raises(ValueError, match="last observation"):
        agent.end_episode(0.0, True)


def test_a_train_ratio_of_zero_is_named(tmp_path):
    configure()
    bind("DreamerV2Agent.train_ratio=0")
    with pytest.raises(UserError, match=r"DreamerV2Agent\.train_ratio is 0"):
        make_agent(tmp_path)


def test_train_ratio_and_one_trace(tmp_path):
    configure("DreamerV2Agent.prefill_steps=10", "DreamerV2Agent.train_ratio=5")
    runner = DreamerRunner(tmp_path, ScriptedEnvironment)
    runner.run_experiment()
    agent = runner.agent
    learning = [step for step in range(1, agent.agent_steps + 1) if step >= 10 and step % 5 == 0]
    assert agent.updates == len(learning) >= 6
    assert agent.learner.num_traces == 1


def test_pretraining_adds_updates_to_the_first_one(tmp_path):
    settings = ("prefill_steps=10", "train_ratio=5", "pretrain_updates=3")
    configure(*(f"DreamerV2Agent.{setting}" for setting in settings))
    agent = make_agent(tmp_path)
    updates = []
    environment = ScriptedEnvironment(((100, "terminated"),))
    action = agent.begin_episode(environment.reset())
    for _ in range(20):
        observation, reward, *_ = environment.step(action)
        action = agent.step(reward, observation)
        agent.wait()
        updates.append(agent.updates)
    assert updates == [0] * 9 + [4] * 5 + [5] * 5 + [6]
    assert agent._ratio == 5.0  # without the pretraining
    agent.close()


def run(directory, iterations, *bindings):
    """A run with three kinds of episode end, from wherever it stands."""
    script = ((5, "terminated"), (7, "truncated"), (30, "terminated"))
    configure(f"Runner.num_iterations={iterations}", *bindings)
    runner = DreamerRunner(directory, lambda: ScriptedEnvironment(script))
    runner.run_experiment()
    return runner


def test_resume_is_bit_identical(tmp_path):
    """Two iterations in one go, and in two processes' worth of objects."""
    whole = run(tmp_path / "whole", 2)
    run(tmp_path / "parts", 1)
    parts = run(tmp_path / "parts", 2)
    ours, theirs = everything(whole), everything(parts)
    assert whole.agent.updates == parts.agent.updates > 5
    assert set(ours.arrays) == set(theirs.arrays)
    for name, value in ours.arrays.items():
        np.testing.assert_array_equal(value, theirs.arrays[name], err_msg=name)
    for checkpoint in (ours, theirs):
        del checkpoint.state["agent"]["seconds"]  # how long it took
    assert ours.state == theirs.state
    assert whole.scores == parts.scores
    for path in (tmp_path / "whole/replay").iterdir():
        assert path.read_bytes() == (tmp_path / "parts/replay" / path.name).read_bytes()


def test_metrics_stay_after_a_resume_until_the_line_of_the_log_is_full(tmp_path):
    run(tmp_path, 1, "DreamerV2Agent.log_every=1000")
    configure("Runner.num_iterations=1", "DreamerV2Agent.log_every=1000")
    agent = DreamerRunner(tmp_path, ScriptedEnvironment).agent
    before, updates = dict(agent.metrics), agent.updates
    assert "kl" in before
    agent.eval_mode = False
    environment = ScriptedEnvironment(((50, "terminated"),))
    action = agent.begin_episode(environment.reset(0))
    for _ in range(20):
        observation, reward, *_ = environment.step(action)
        action = agent.step(reward, observation)
    agent.wait()
    assert agent.updates > updates and agent.metrics == before


def test_resume_within_the_random_start_is_bit_identical(tmp_path):
    """The policy takes over in the middle of an episode, after an evaluation."""
    settings = ("DreamerV2Agent.prefill_steps=60", "Runner.evaluation_steps=10")
    whole = run(tmp_path / "whole", 3, *settings)
    run(tmp_path / "parts", 1, *settings)
    parts = run(tmp_path / "parts", 3, *settings)
    ours, theirs = everything(whole), everything(parts)
    assert whole.agent.updates > 5
    for name, value in ours.arrays.items():
        np.testing.assert_array_equal(value, theirs.arrays[name], err_msg=name)
    assert whole.scores == parts.scores


def test_the_policy_forgets_what_it_has_not_acted_in(tmp_path):
    """After random actions in an episode it begins with the state of a beginning."""
    configure("DreamerV2Agent.prefill_steps=3")
    agent = make_agent(tmp_path)
    environment = ScriptedEnvironment()
    seen = []
    policy_step = agent.learner.acting.step

    def spy(observation, is_first, *rest):
        seen.append(bool(is_first[0]))
        return policy_step(observation, is_first, *rest)

    agent.learner.acting.step = spy
    agent.begin_episode(environment.reset())
    for _ in range(5):
        agent.step(0.0, environment._observation())
    assert seen == [True, False, False]  # the first three actions were random


@pytest.mark.parametrize("overlap", [True, False])
def test_which_weights_act_while_an_update_runs(tmp_path, overlap):
    """Those from before it, until the next one begins or somebody waits."""
    settings = ("prefill_steps=8", "train_ratio=4", f"overlap={overlap}")
    configure(*(f"DreamerV2Agent.{setting}" for setting in settings))
    agent = make_agent(tmp_path)
    sources, copies = agent.learner.acting._sources, agent.learner.acting._copies
    observation = ScriptedEnvironment().reset()

    def copy():
        return np.concatenate([weight.numpy().ravel() for weight in copies])

    def weights():
        return np.concatenate([np.ravel(source.value.numpy()) for source in sources])

    agent.begin_episode(observation)
    initial = copy()
    for _ in range(8):
        agent.step(0.0, observation)
    np.testing.assert_array_equal(copy(), initial)  # update 1 runs
    for _ in range(4):
        agent.step(0.0, observation)
    after_one = copy()  # update 2 runs
    assert np.abs(after_one - initial).max() > 0
    agent.wait()
    assert agent.updates == 2 and np.abs(copy() - after_one).max() > 0
    np.testing.assert_array_equal(copy(), weights())


def test_measured_train_ratio(tmp_path):
    configure("DreamerV2Agent.prefill_steps=10", "DreamerV2Agent.train_ratio=3")
    runner = DreamerRunner(tmp_path, ScriptedEnvironment)
    runner.run_experiment()
    rows = [
        json.loads(line)
        for line in (tmp_path / "metrics/json_lines/metrics.jsonl").read_text().splitlines()
    ]
    ratios = [row["Agent/train_ratio_measured"] for row in rows if "Agent/updates" in row]
    assert len(ratios) > 3 and set(ratios) == {3.0}


def test_checkpoint_of_another_network(tmp_path):
    configure()
    checkpoint = Checkpoint({}, {})
    make_agent(tmp_path / "a").save(checkpoint)
    configure("RSSM.units=13")
    with pytest.raises(UserError, match="another network"):
        make_agent(tmp_path / "b").restore(checkpoint)


def test_updates_that_stay_non_finite_stop_the_run(tmp_path):
    """None is applied, they are named, and the batch of the first is kept."""
    settings = ("prefill_steps=8", "train_ratio=1", "max_bad_updates=3")
    configure(*(f"DreamerV2Agent.{setting}" for setting in settings))
    agent = make_agent(tmp_path)
    weight = agent.learner.world_model.trainable_variables[0]
    weight.assign(weight * np.nan)
    good = agent.learner.world_model.trainable_variables[-1].numpy()
    observation = ScriptedEnvironment().reset()
    agent.begin_episode(observation)
    with pytest.raises(
        UserError,
        match=r"model_gradient_norm, model_loss.* in update 3 and the 2 updates",
    ):
        for _ in range(20):
            agent.step(0.0, observation)
    np.testing.assert_array_equal(agent.learner.world_model.trainable_variables[-1], good)
    [dump] = (tmp_path / "diagnosis").iterdir()
    with np.load(dump, allow_pickle=False) as stored:
        assert "model_loss" in stored["not_finite"]
        assert stored["observation.vector"].shape == (3, 6, 3)
        assert stored["reward"].shape == stored["action"].shape == (3, 6)


def test_weights_follow_the_seed():
    configure()
    environment = ScriptedEnvironment()
    spaces = environment.observation_space, environment.action_space
    first, same, other = (Learner(*spaces, seed=seed).variables() for seed in (0, 0, 1))
    kernels = [name for name in first if name.endswith("kernel")]
    assert len(kernels) > 15
    for name in kernels:
        np.testing.assert_array_equal(first[name], same[name])
        assert (first[name].numpy() != other[name].numpy()).any()


def test_checkpoint_names_are_unique():
    configure()
    learner = make_learner(images=True)
    counted = sum(len(module.variables) for module in (learner.world_model, learner.actor_critic))
    counted += sum(len(optimizer.state) for optimizer in learner.optimizers.values()) + 2
    assert len(learner.variables()) == counted


def test_overfits_one_batch():
    """Every loss of the world model falls on a batch that never changes."""
    configure("world_model/Optimizer.learning_rate=3e-3", "WorldModel.discount_scale=1.0")
    learner = make_learner(images=True)
    batch = sequences(images=True)
    history = [{k: float(v) for k, v in learner.update(batch).items()} for _ in range(60)]
    for name in ("image_error", "vector_error", "reward_loss", "discount_loss"):
        assert history[-1][name] < 0.9 * history[0][name] or history[-1][name] < 0.05, name
    assert all(np.isfinite(list(metrics.values())).all() for metrics in history)
    assert learner.num_traces == 1


def test_starts_are_paired_with_their_own_ends(monkeypatch):
    """Imagination gets the posterior of (b, t) together with the flag of (b, t)."""
    configure()
    learner = make_learner()
    batch = sequences()
    seen = {}
    imagine, loss = learner.actor_critic.imagine, learner.world_model.loss

    def spy_loss(*arguments):
        total, outputs = loss(*arguments)
        seen["posterior"] = outputs.posterior
        return total, outputs

    def spy_imagine(model, start, is_terminal, *rest):
        seen["start"], seen["is_terminal"] = start, is_terminal
        return imagine(model, start, is_terminal, *rest)

    monkeypatch.setattr(learner.world_model, "loss", spy_loss)
    monkeypatch.setattr(learner.actor_critic, "imagine", spy_imagine)
    tensors = tf.nest.map_structure(tf.constant, batch)
    learner._update(tensors)
    size, length = batch.reward.shape
    for b in range(size):
        for t in range(length):
            n = b * length + t
            np.testing.assert_array_equal(seen["start"].deter[n], seen["posterior"].deter[b, t])
            assert bool(seen["is_terminal"][n]) == batch.is_terminal[b, t]
    assert batch.is_terminal.any()


def test_the_policy_sees_its_previous_action():
    """The recurrent state of a step is that of the model fed with the action before."""
    configure()
    learner = make_learner()
    rssm = learner.world_model.rssm
    observation = {"vector": np.ones((1, 3), np.float32)}
    state = learner.acting.initial_state(1)
    action, state = learner.acting.step(observation, np.array([True]), state, 0, True)
    np.testing.assert_array_equal(np.argmax(state.action, -1), action)
    _, after = learner.acting.step(observation, np.array([False]), state, 1, True)
    expected = {
        choice: rssm.imagine_step(state.latent, tf.one_hot([choice], 3), tf.constant([0, 0])).deter
        for choice in range(3)
    }
    distance = {c: float(tf.norm(after.latent.deter - deter)) for c, deter in expected.items()}
    assert distance[int(action[0])] < 1e-5
    assert min(d for c, d in distance.items() if c != int(action[0])) > 1e-4


def test_policy_is_reproducible_and_resets():
    configure()
    learner = make_learner()
    observation = {"vector": np.ones((2, 3), np.float32)}
    state = learner.acting.initial_state(2)
    first = np.array([True, True])
    action, after = learner.acting.step(observation, first, state, 5, True)
    again, _ = learner.acting.step(observation, first, state, 5, True)
    np.testing.assert_array_equal(action, again)
    # is_first wipes whatever state is passed in.
    reset, restarted = learner.acting.step(observation, first, after, 5, True)
    np.testing.assert_array_equal(reset, action)
    np.testing.assert_array_equal(restarted.latent.deter, after.latent.deter)
    counters = [learner.acting.step(observation, first, state, n, True)[0] for n in range(30)]
    assert len({tuple(action) for action in counters}) > 3
    greedy = [learner.acting.step(observation, first, state, n, False)[0] for n in range(5)]
    assert all(action.dtype == np.int32 for action in greedy)


def test_continuous_actions():
    configure("ActorCritic.gradient_mixing=0.0")
    space = gymnasium.spaces.Box(-1, 1, (2,))
    learner = make_learner(action_space=space)
    batch = sequences()
    rng = np.random.default_rng(0)
    batch = batch._replace(action=rng.uniform(-1, 1, (3, 6, 2)).astype(np.float32))
    metrics = learner.update(batch)
    assert np.isfinite(float(metrics["actor_loss"]))
    action, _ = learner.acting.step(
        {"vector": np.ones((4, 3), np.float32)},
        np.ones(4, bool),
        learner.acting.initial_state(4),
        0,
        True,
    )
    assert action.shape == (4, 2) and np.abs(action).max() < 1


@pytest.mark.parametrize("space", [gymnasium.spaces.Discrete(3), gymnasium.spaces.Box(-1, 1, (2,))])
def test_exploration_noise(space):
    configure("Learner.exploration_noise=1.0")
    learner = make_learner(action_space=space)
    action, _ = learner.acting.step(
        {"vector": np.ones((500, 3), np.float32)},
        np.ones(500, bool),
        learner.acting.initial_state(500),
        0,
        True,
    )
    if isinstance(space, gymnasium.spaces.Discrete):
        np.testing.assert_allclose(np.bincount(action) / 500, 1 / 3, atol=0.1)
    else:
        assert (np.abs(action) == 1.0).any() and np.abs(action).max() <= 1.0


def test_describe_states_the_schedule(tmp_path):
    configure("Runner.num_iterations=7", "AtariEnvironment.game_name='Breakout'")
    text = launch.describe(launch.make_runner(str(tmp_path), 0))
    assert "280 agent steps = 1,120 frames, 35 updates" in text
    assert f"{35 * 3 * 6 * 3:,} imagined states" in text
    assert tf.executing_eagerly()
