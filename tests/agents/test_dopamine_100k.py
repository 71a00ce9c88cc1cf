"""Dopamine's agents for 100,000 agent steps: the same learning as under their own runner."""

import json

import gin
import jax
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.agents.dopamine_100k import LOW_DATA_AGENTS, SPR, LowDataRainbow
from dreamer_tf.agents.dopamine_compat import Atari100kRainbowAgent, make_jax_agent
from dreamer_tf.environments.interface import DopamineEnvironment
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import launch
from dreamer_tf.experiment.policy import Policy
from dreamer_tf.experiment.runner import DreamerRunner, IterationStatistics
from dreamer_tf.settings.bindings import check_values
from tests.agents.dopamine_runs import LOW_DATA, Frames, parse, run, stored
from tests.helpers import bind

# The fast tests run DrQ, because the others take longer to compile.
MARKED = [pytest.param(name, marks=[pytest.mark.slow] * (name != "drq")) for name in LOW_DATA]
SCRIPT = ((9, True),)
SMALL = ("JaxDQNAgent.observation_shape=(20, 20)", "Runner.training_steps=44")


class Copying(Atari100kRainbowAgent):
    """Keeps what it is given; Dopamine's runner overwrites all of it in later steps."""

    def log_transition(self, observation, *rest):
        super().log_transition(np.array(observation, np.uint8), *map(np.array, rest))


class PlainEnvironment(DopamineEnvironment):
    def reset(self):
        return super().reset()["image"]

    def step(self, action):
        observation, *rest = super().step(int(action))
        return observation["image"], *rest


def under_their_runner(base_dir, agent_class):
    """45 agent steps under Dopamine's runner for these agents, which ends phases with a step."""
    # Only here: the compatibility module must have imported Dopamine before.
    from dopamine.labs.atari_100k import atari_100k_runner

    made = []

    def make_agent(session, environment, summary_writer=None):
        made.append(agent_class(num_actions=3, seed=3))
        made[0]._replay_scheme = gin.query_parameter("JaxFullRainbowAgent.replay_scheme")
        return made[0]

    theirs = atari_100k_runner.DataEfficientAtariRunner(
        str(base_dir),
        make_agent,
        create_environment_fn=lambda: PlainEnvironment(Frames(SCRIPT)),
        max_noops=0,
    )
    theirs._summary_writer = tf.summary.create_noop_writer()
    theirs._run_train_phase(IterationStatistics())
    return made[0]


@pytest.mark.parametrize("name", ["drq", pytest.param("der", marks=pytest.mark.slow)])
def test_dopamines_own_runner_learns_the_same(name, tmp_path):
    """The environment is deterministic and terminates."""
    parse(name, *SMALL, "Runner.evaluation_steps=0")
    ours = run(tmp_path / "ours", 1, lambda: Frames(SCRIPT))
    theirs = under_their_runner(tmp_path / "theirs", Copying)
    assert theirs.training_steps == ours.agent.dopamine.training_steps == 45
    assert ours.agent.updates > 20
    pairs = zip(
        jax.tree_util.tree_leaves(theirs.online_params),
        jax.tree_util.tree_leaves(ours.agent.dopamine.online_params),
        strict=True,
    )
    for first, second in pairs:
        np.testing.assert_allclose(first, second, atol=1e-6)
    np.testing.assert_array_equal(theirs._rng, ours.agent.dopamine._rng)


def columns(element):
    """The step that each image of a state shows, by the column of its square."""
    state = element.unpack().state.reshape(20, 20, -1)
    return [int(image.any(0).argmax()) for image in np.moveaxis(state, -1, 0)]


def test_dopamines_own_runner_spoils_its_replay(tmp_path):
    """Why docs/dopamine.md says that ours differs: what is stored is overwritten before it counts.

    The accumulator holds views of two arrays that the runner fills in turn.
    """
    parse("drq", *SMALL)
    bind("JaxDQNAgent.min_replay_history=1000")
    spoilt = under_their_runner(tmp_path / "theirs", Atari100kRainbowAgent)._replay._memory
    whole = under_their_runner(tmp_path / "copies", Copying)._replay._memory
    ours = run(tmp_path / "ours", 1, lambda: Frames(SCRIPT)).agent.dopamine._replay._memory
    seen = [columns(element) for element in whole.values()]
    assert seen == [columns(element) for element in ours.values()]
    assert seen != [columns(element) for element in spoilt.values()]


@pytest.mark.parametrize("name", ["drq", pytest.param("spr", marks=pytest.mark.slow)])
def test_the_loss_is_logged_and_leaves_the_agent_alone(name, tmp_path):
    """Logging often or never: the same weights."""
    parse(name, *SMALL)
    often = run(tmp_path / "often", 1, lambda: Frames(SCRIPT))
    lines = (tmp_path / "often/metrics/json_lines/metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["Agent/loss"] for line in lines if "Agent/loss" in line]
    assert len(losses) > 5 and all(np.isfinite(losses)) and len(set(losses)) > 5
    bind("DopamineAgent.log_every=1000")
    seldom = run(tmp_path / "seldom", 1, lambda: Frames(SCRIPT))
    for first, second in zip(stored(often), stored(seldom), strict=True):
        for key in first:
            np.testing.assert_array_equal(first[key], second[key], err_msg=str(key))


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    parse("drq", *SMALL)
    runner = DreamerRunner(tmp_path, Frames, seed=3)
    params = jax.tree_util.tree_map(lambda x: x * np.nan, runner.agent.dopamine.online_params)
    runner.agent.dopamine.online_params = params
    with pytest.raises(UserError, match="loss of DrQ was not finite at agent step"):
        runner.run_experiment()


def test_a_stored_policy_acts_and_stores_nothing(tmp_path):
    parse("drq", *SMALL, "Runner.num_iterations=1")
    launch.make_runner(str(tmp_path), 3, Frames).run_experiment()
    # The shape of these small images is not on the list of what a stranger's run may set.
    policy = Policy(tmp_path, environment=Frames(), trust_imports=True)
    assert policy.run_episode(seed=1)[1] == 6
    assert not policy.agent.dopamine._replay._memory and policy.agent.updates > 0


@pytest.mark.parametrize("preset", ["machado2018", "atari100k"])
@pytest.mark.parametrize("name", MARKED)
def test_they_begin_under_both_protocols(name, preset, tmp_path):
    """Acting, storing and scores; the parametrized tests of test_dopamine.py learn."""
    parse(name, "Runner.num_iterations=1")
    bind("JaxDQNAgent.min_replay_history=1000", f"AtariEnvironment.preset='{preset}'")
    runner = run(tmp_path, 1, launch.make_environment)
    assert {score.protocol.split(", ")[0] for score in runner.scores} == {preset}
    assert runner.agent.agent_steps >= 40 and runner.agent.updates == 0
    assert runner.environment.action_space.n == (18 if preset == "machado2018" else 6)
    assert len(runner.agent.dopamine._replay._memory) > 5


def test_the_schemes_of_the_replay_are_those_of_gin():
    parse("spr", *SMALL)
    made = launch_agent("spr")
    assert type(made) is SPR and made._replay_scheme == "prioritized"
    parse("drq", *SMALL)
    made = launch_agent("drq")
    assert type(made) is LowDataRainbow and made._replay_scheme == "uniform"


def launch_agent(name):
    gin_name = gin.query_parameter("dreamer_tf.create_agent.agent_name")
    return make_jax_agent(LOW_DATA_AGENTS[gin_name], num_actions=3, seed=0)


@pytest.mark.parametrize(
    ("name", "binding", "words"),
    [
        ("spr", "SPRAgent.jumps=0", r"SPRAgent\.jumps is 0"),
        ("spr", "SPRAgent.spr_weight=-1", r"SPRAgent\.spr_weight is -1"),
        ("der", "Atari100kRainbowAgent.data_augmentation=2", "data_augmentation is 2"),
        ("der", "JaxFullRainbowAgent.replay_scheme='none'", "'uniform' or 'prioritized'"),
        ("drq", "AtariEnvironment.image_sizes=(64,)", r"expects observations \(84, 84\)"),
    ],
)
def test_what_does_not_fit_is_named(name, binding, words, tmp_path):
    parse(name)
    bind(binding)
    with pytest.raises(UserError, match=words):
        check_values()
        DreamerRunner(tmp_path, launch.make_environment)
