"""Short runs of Dopamine's agents for the tests."""

import gin
import gymnasium
import jax
import numpy as np

from dreamer_tf.experiment import gin_files
from dreamer_tf.experiment.runner import DreamerRunner

# By gin file: the agent's class, n, learning rate, epsilon of Adam, prioritized replay or not.
AGENTS = {
    "dqn": ("JaxDQNAgent", 1, 6.25e-5, 1.5e-4, False),
    "c51": ("JaxRainbowAgent", 1, 2.5e-4, 3.125e-4, False),
    "rainbow": ("JaxRainbowAgent", 3, 6.25e-5, 1.5e-4, True),
    "full_rainbow": ("JaxFullRainbowAgent", 3, 6.25e-5, 1.5e-4, True),
    "quantile": ("JaxQuantileAgent", 3, 5e-5, 3.125e-4, True),
    "implicit_quantile": ("JaxImplicitQuantileAgent", 3, 5e-5, 3.125e-4, False),
}
LOW_DATA = {
    "der": ("LowDataRainbow", 10, 1e-4, 1.5e-4, True),
    "drq": ("LowDataRainbow", 10, 1e-4, 1.5e-4, False),
    "drq_eps": ("LowDataRainbow", 10, 1e-4, 1.5e-4, False),
    "otrainbow": ("LowDataRainbow", 3, 6.25e-5, 1.5e-4, True),
    "spr": ("SPR", 10, 1e-4, 1.5e-4, True),
}
ALL = AGENTS | LOW_DATA
SHORT = (
    "Runner.num_iterations=2",
    "Runner.training_steps=40",
    "Runner.evaluation_steps=1",
    "Runner.max_steps_per_episode=15",
    "DreamerRunner.progress_bar=False",
    "DopamineAgent.log_every=4",
    "ReplayBuffer.max_capacity=50",
    "ReplayBuffer.batch_size=4",
    "PrioritizedSamplingDistribution.max_capacity=51",
    "JaxImplicitQuantileAgent.num_tau_samples=4",
    "JaxImplicitQuantileAgent.num_tau_prime_samples=4",
    "JaxImplicitQuantileAgent.num_quantile_samples=4",
)


class Frames:
    """A gray square that moves with the actions; episodes of given lengths that end as said."""

    name = "Frames"
    protocol = "scripted"
    frames_per_step = 1
    action_space = gymnasium.spaces.Discrete(3)

    def __init__(self, script=((6, True), (9, False)), size=20):
        self.observation_space = gymnasium.spaces.Dict(
            {"image": gymnasium.spaces.Box(0, 255, (size, size, 1), np.uint8)}
        )
        self.script, self.episode = script, -1

    def reset(self, seed=None):
        self.episode = self.episode + 1 if seed is None else 0
        self.steps = self.place = 0
        return self._observation()

    def step(self, action):
        self.steps += 1
        self.place = (self.place + int(action)) % 20
        length, terminates = self.script[self.episode % len(self.script)]
        last = self.steps == length
        return self._observation(), float(action), last and terminates, last and not terminates, {}

    def render(self):
        return np.zeros((16, 16, 3), np.uint8)

    def _observation(self):
        image = np.zeros(self.observation_space["image"].shape, np.uint8)
        image[self.place, self.steps % 20] = 200
        return {"image": image}


def parse(name, *bindings):
    agent = ALL[name][0]
    # The settings that all agents have are the base class's, where a class does not repeat them.
    settings = agent if agent.startswith("Jax") and "Full" not in agent else "JaxDQNAgent"
    early = [f"{settings}.min_replay_history=10", f"{settings}.target_update_period=8"]
    gin_files.parse([f"{name}.gin"], [*SHORT, *early, *bindings])


def run(base_dir, iterations, environment=Frames):
    gin.bind_parameter("Runner.num_iterations", iterations)
    runner = DreamerRunner(base_dir, environment, seed=3)
    runner.run_experiment()
    return runner


def stored(runner):
    """All arrays of the newest checkpoint, and the contents of the replay."""
    checkpoint = runner.store.load_latest()[1]
    memory = runner.agent.dopamine._replay._memory
    return checkpoint.arrays, {
        key: [np.asarray(leaf).tobytes() for leaf in jax.tree_util.tree_leaves(element)]
        for key, element in memory.items()
    }


def assert_same(whole, parts):
    """Two runners have the same checkpoint and the same replay, bit for bit."""
    for first, second in zip(stored(whole), stored(parts), strict=True):
        assert first.keys() == second.keys()
        for key in first:
            np.testing.assert_array_equal(first[key], second[key], err_msg=str(key))
