"""Small models, scripted environments and scripted agents for the tests."""

from typing import Any

import gin
import gymnasium
import numpy as np

from dreamer_tf.agents.protocol import Agent

# Shrinks any configuration to a model that trains in seconds.
TINY = (
    "Runner.num_iterations=1",
    "Runner.training_steps=40",
    "Runner.evaluation_steps=1",
    "Runner.max_steps_per_episode=20",
    "DreamerRunner.progress_bar=False",
    "DreamerV2Agent.prefill_steps=16",
    "DreamerV2Agent.train_ratio=8",
    "DreamerV2Agent.log_every=2",
    "EpisodeReplay.capacity=1000",
    "EpisodeReplay.reserve=200",
    "EpisodeReplay.batch_size=3",
    "EpisodeReplay.sequence_length=6",
    "CategoricalLatent.variables=3",
    "CategoricalLatent.classes=4",
    "GaussianLatent.variables=6",
    "BinaryLatent.variables=12",
    "RSSM.units=12",
    "RSSM.hidden_units=10",
    "Encoder.depth=2",
    "Decoder.depth=2",
    "MLP.num_layers=1",
    "MLP.units=8",
    "ActorCritic.horizon=3",
    "Learner.jit_compile=False",
)


def bind(*bindings: str) -> None:
    """Adds gin bindings; later ones win."""
    with gin.unlock_config():
        gin.parse_config(list(bindings))


@gin.configurable
class ScriptedEnvironment:
    """Counts its steps; episodes have given lengths and end as a script says.

    A seeded reset begins the script anew, as a real environment repeats itself.
    """

    name = "Scripted"
    protocol = "scripted"
    frames_per_step = 1

    def __init__(self, script=((5, "terminated"), (7, "truncated")), images=False):
        self.script = list(script)
        self.observation_space = gymnasium.spaces.Dict(
            {"vector": gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float32)}
        )
        self._images = images
        if images:
            self.observation_space["image"] = gymnasium.spaces.Box(0, 255, (64, 64, 1), np.uint8)
        self.action_space = gymnasium.spaces.Discrete(3)
        self.episode = -1
        self.steps = 0
        self.seeds: list[int | None] = []

    def reset(self, seed: int | None = None) -> dict[str, np.ndarray]:
        self.seeds.append(seed)
        self.episode = self.episode + 1 if seed is None else 0
        self.steps = 0
        return self._observation()

    def step(self, action: Any):
        self.steps += 1
        length, end = self.script[self.episode % len(self.script)]
        last = self.steps == length
        info = {"life_lost": end == "life" and self.steps == length - 2}
        reward = float(action) + 0.5
        terminated = last and end in ("terminated", "life")
        return self._observation(), reward, terminated, last and end == "truncated", info

    def render(self) -> np.ndarray:
        return np.full((16, 16, 3), 10 * self.steps % 255, np.uint8)

    def _observation(self) -> dict[str, np.ndarray]:
        vector = np.array([self.episode, self.steps, 1.0], np.float32)
        observation = {"vector": vector}
        if self._images:
            observation["image"] = np.full((64, 64, 1), 20 * self.steps, np.uint8)
        return observation


class ScriptedAgent(Agent):
    """Writes down every call of the Runner."""

    label = "Scripted"
    updates = 0
    eval_mode = False

    def __init__(self, observation_space, action_space, *, base_dir, seed, num_environments=1):
        super().__init__(num_environments)
        self.tape: list[tuple] = []

    def describe(self, steps):
        return {"schedule": "no updates"}

    def begin_episode(self, observation):
        self.tape.append(("begin", self.eval_mode, _times(observation)))
        return 0

    def step(self, reward, observation):
        self.agent_steps += not self.eval_mode
        self.tape.append(("step", reward, _times(observation)))
        return len(self.tape) % 3

    def end_episode(self, reward, terminal=True, observation=None):
        self.agent_steps += not self.eval_mode
        self.tape.append(("end", reward, terminal, _times(observation)))

    def cut_episode(self):
        self.tape.append(("cut",))

    def save(self, checkpoint):
        checkpoint.arrays["tape"] = np.array([len(self.tape)])
        checkpoint.state["agent"] = {"agent_steps": self.agent_steps}

    def restore(self, checkpoint):
        self.agent_steps = checkpoint.state["agent"]["agent_steps"]


def _times(observation) -> tuple[int, int]:
    """Episode and step of a scripted observation."""
    episode, step, _ = observation["vector"]
    return int(episode), int(step)
