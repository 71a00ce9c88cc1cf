"""An update on made-up data before the run: it finds what fails, and leaves no trace."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import launch
from dreamer_tf.experiment.runner import DreamerRunner
from dreamer_tf.networks import layers
from dreamer_tf.networks.parts import EncoderPart
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.world_model.rssm import RSSM
from tests.helpers import ScriptedEnvironment
from tests.small_models import configure, everything, make_agent


@pytest.mark.parametrize("num_environments", [1, 2])
def test_a_run_is_the_same_with_and_without(tmp_path, num_environments):
    found = {}
    for name in ("with", "without"):
        configure(
            f"DreamerRunner.num_environments={num_environments}",
            "create_vector_environment.asynchronous=False",
        )
        runner = DreamerRunner(tmp_path / name, ScriptedEnvironment)
        if name == "with":
            launch.rehearse(runner)
        runner.run_experiment()
        assert runner.agent.updates >= 3 and runner.agent.learner.num_traces == 1
        found[name] = everything(runner)
        del found[name].state["agent"]["seconds"]  # how long it took
    assert found["with"].state == found["without"].state
    assert set(found["with"].arrays) == set(found["without"].arrays)
    for name, value in found["with"].arrays.items():
        np.testing.assert_array_equal(value, found["without"].arrays[name], err_msg=name)


@configurable
class LateEncoder(EncoderPart):
    """A layer that is built when it is called, as is usual with Keras."""

    def __init__(self, observation_space, *, rng, precision):
        super().__init__(precision)
        self._late = keras.layers.Dense(4)
        self.size = 4

    def __call__(self, observation):
        return self._late(observation["vector"])


def test_a_weight_that_comes_too_late_is_named(tmp_path):
    configure("WorldModel.encoder = @LateEncoder")
    agent = make_agent(tmp_path)
    with pytest.raises(UserError, match=r"'dense.*/bias' is made only when its part is called"):
        agent.rehearse()
    agent.close()


def test_times_are_measured(tmp_path):
    configure()
    agent = make_agent(tmp_path)
    measured = agent.rehearse(2)
    assert 0 < measured.update < measured.first_update and measured.policy_step > 0
    assert agent.updates == 0
    agent.close()


def test_the_made_up_batch_has_the_shapes_of_a_real_one(tmp_path):
    configure()
    agent = make_agent(tmp_path, ScriptedEnvironment(images=True))
    environment = ScriptedEnvironment(((30, "terminated"),), images=True)
    action = agent.begin_episode(environment.reset())
    for _ in range(11):
        observation, reward, *_ = environment.step(action)
        action = agent.step(reward, observation)

    def kinds(sequences):
        return tf.nest.map_structure(lambda array: (array.shape, array.dtype), sequences)

    assert kinds(agent.replay.made_up_batch()) == kinds(agent.replay.sample())
    agent.close()


@pytest.mark.parametrize(
    ("error", "jit_compile", "words"),
    [
        (tf.errors.ResourceExhaustedError(None, None, "OOM"), False, "EpisodeReplay.batch_size"),
        (MemoryError(), False, "does not fit into memory"),
        (tf.errors.InvalidArgumentError(None, None, "no kernel"), True, "Learner.jit_compile"),
    ],
)
def test_what_fails_is_a_sentence_and_changes_nothing(tmp_path, error, jit_compile, words):
    configure()
    agent = make_agent(tmp_path)
    before = {name: value.numpy() for name, value in agent.learner.variables().items()}

    def fail(batch):
        agent.learner.variables()["updates"].assign_add(1)
        raise error

    agent.learner.update, agent.learner.jit_compile = fail, jit_compile
    with pytest.raises(UserError, match=words):
        agent.rehearse()
    for name, value in agent.learner.variables().items():
        np.testing.assert_array_equal(value, before[name])
    agent.close()


def test_a_run_that_has_learned_is_not_rehearsed(tmp_path):
    configure()
    runner = DreamerRunner(tmp_path, ScriptedEnvironment)
    calls = []
    runner.agent.rehearse = lambda: calls.append(1)
    launch.rehearse(runner)
    runner.run_experiment()
    launch.rehearse(runner)
    assert calls == [1]


@configurable
class ForgetfulEncoder(EncoderPart):
    """A layer that nothing uses."""

    def __init__(self, observation_space, *, rng, precision):
        super().__init__(precision)
        sizes = {"rng": rng, "precision": precision}
        self._used, self._forgotten = (
            layers.dense(3, 4, name=name, **sizes) for name in ("used", "forgotten")
        )
        self.size = 4

    def __call__(self, observation):
        return self._used(observation["vector"])


@configurable
class WideEncoder(ForgetfulEncoder):
    """Returns more numbers than it says."""

    def __call__(self, observation):
        return tf.concat([self._used(observation["vector"]), observation["vector"]], -1)


@configurable
class HalfRSSM(RSSM):
    """Acts with another recurrent model than the one that is trained."""

    def _recur(self, state, action):
        return super()._recur(state, action) + 1.0


@configurable
class WholeRSSM(RSSM):
    """All functions follow another recurrent model."""

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self._cell.gates = lambda joint, deter, gates=self._cell.gates: gates(joint, deter) * 0.5


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        ("WorldModel.encoder = @ForgetfulEncoder", r"No loss depends on the weight 'forgotten/"),
        ("WorldModel.encoder = @WideEncoder", r"the embedding is \(.*, 7\), but must be \(.*, 4\)"),
        ("WorldModel.rssm = @HalfRSSM", r"HalfRSSM.observe and .observe_step make different"),
    ],
)
def test_parts_that_would_learn_something_else_are_refused(tmp_path, binding, words):
    """They trained, and nobody noticed."""
    configure(binding)
    agent = make_agent(tmp_path)
    with pytest.raises(UserError, match=words):
        agent.rehearse()
    agent.close()


def test_an_rssm_of_ones_own_passes(tmp_path):
    configure("WorldModel.rssm = @WholeRSSM")
    agent = make_agent(tmp_path)
    agent.rehearse()
    assert isinstance(agent.learner.world_model.rssm, WholeRSSM)
    agent.close()
