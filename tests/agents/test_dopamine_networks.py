"""Dopamine's Rainbow on planes: the network, exact resume, and what is refused."""

import gin
import gymnasium
import jax
import numpy as np
import pytest

from dreamer_tf.agents.dopamine_networks import PlanesRainbowNetwork
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, launch
from dreamer_tf.experiment.runner import DreamerRunner
from tests.agents.dopamine_runs import SHORT, Frames, assert_same, run
from tests.helpers import bind

ATOMS = 5
SUPPORT = np.linspace(-2.0, 2.0, ATOMS)


class Planes(Frames):
    """The square of `Frames` as one plane, and its shadow as another one."""

    def __init__(self):
        super().__init__()
        box = gymnasium.spaces.Box(0, 1, (20, 20, 2), bool)
        self.observation_space = gymnasium.spaces.Dict({"image": box})

    def _observation(self):
        planes = np.zeros((20, 20, 2), bool)
        planes[self.place, self.steps % 20, 0] = planes[-1, self.steps % 20, 1] = True
        return {"image": planes}


@pytest.fixture
def network():
    return PlanesRainbowNetwork(num_actions=3, num_atoms=ATOMS)


@pytest.fixture
def rainbow():
    early = ("min_replay_history=10", "target_update_period=8", "num_atoms=11")
    bindings = [*SHORT, *(f"JaxRainbowAgent.{text}" for text in early)]
    gin_files.parse(["minatar_rainbow.gin"], bindings)


def test_the_network_returns_distributions_and_their_means(network):
    x = np.random.default_rng(0).random((10, 10, 4, 1)) < 0.2
    output, params = network.init_with_output(jax.random.PRNGKey(0), x, SUPPORT)
    assert output.logits.shape == output.probabilities.shape == (3, ATOMS)
    np.testing.assert_allclose(output.probabilities.sum(-1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(output.q_values, output.probabilities @ SUPPORT, rtol=1e-5)
    shapes = jax.tree_util.tree_map(np.shape, params["params"])
    assert shapes["Conv_0"]["kernel"] == (3, 3, 4, 16)
    assert shapes["Dense_0"]["kernel"] == (10 * 10 * 16, 3 * ATOMS)


def test_the_network_sees_the_planes_of_all_stacked_observations(network):
    """Each of them changes the output, so no axis is taken for a batch."""
    x = np.zeros((10, 10, 4, 2), bool)
    params = network.init(jax.random.PRNGKey(1), x, SUPPORT)
    before = network.apply(params, x, SUPPORT).q_values
    for plane in range(4):
        for age in range(2):
            changed = x.copy()
            changed[5, 5, plane, age] = True
            assert np.abs(network.apply(params, changed, SUPPORT).q_values - before).max() > 1e-4
    assert jax.tree_util.tree_map(np.shape, params["params"])["Conv_0"]["kernel"] == (3, 3, 8, 16)


def test_rainbow_learns_from_planes_and_resumes_exactly(rainbow, tmp_path):
    whole = run(tmp_path / "whole", 2, Planes)
    assert whole.agent.updates > 10
    assert whole.agent.dopamine.state.shape == (20, 20, 2, 1)
    run(tmp_path / "parts", 1, Planes)
    parts = run(tmp_path / "parts", 2, Planes)
    assert_same(whole, parts)
    assert whole.scores == parts.scores and whole.scores[0].agent == "Rainbow"


@pytest.mark.parametrize("suite", ["minatar", "minigrid"])
def test_the_protocol_is_that_of_dreamer_v2(suite):
    """Both have the same environment, phases and limits; Rainbow sees no direction on MiniGrid."""

    def protocol(file):
        gin.clear_config()
        gin_files.parse([file])
        parts = ("create_gym_environment.", "Runner.", "DreamerRunner.create")
        # Planes keep their size, and Dopamine's default for rewards is not to clip them.
        left_out = ("Runner.clip_rewards", *(f"create_gym_environment.{key}" for key in own))
        found = gin_files.bindings().items()
        return {k: v for k, v in found if k.startswith(parts) and k not in left_out}

    own = ("image_size", "wrappers")
    ours = protocol(f"{suite}.gin")
    assert protocol(f"{suite}_rainbow.gin") == ours and len(ours) > 5


@pytest.mark.parametrize("network", ["RainbowNetwork", "ClassicControlRainbowNetwork"])
def test_a_network_for_other_observations_is_refused(rainbow, network, tmp_path):
    bind(f"JaxRainbowAgent.network=@{network}")
    with pytest.raises(UserError, match=r"planes.*(minatar_rainbow\.gin|another network)"):
        DreamerRunner(tmp_path, Planes)


def test_colors_are_refused_with_a_network_for_planes(rainbow, tmp_path):
    class Colors(Planes):
        def __init__(self):
            super().__init__()
            box = gymnasium.spaces.Box(0, 255, (20, 20, 3), np.uint8)
            self.observation_space = gymnasium.spaces.Dict({"image": box})

    with pytest.raises(UserError, match="grayscale"):
        DreamerRunner(tmp_path, Colors)


def test_the_start_says_what_will_be_done(rainbow, tmp_path):
    bind("Runner.num_iterations=1")
    text = launch.describe(launch.make_runner(str(tmp_path), 0, Planes))
    assert "Rainbow" in text and "(JAX)" in text
