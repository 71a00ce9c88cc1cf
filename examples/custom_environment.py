"""Writes an environment and trains DreamerV2 on it.

python examples/custom_environment.py --base_dir=runs/corridor/Corridor/0 --training_steps=3000
"""

import argparse

import gymnasium
import numpy as np

import dreamer_tf


class Corridor(gymnasium.Env):
    """A corridor with a lit end. Reaching that end is rewarded.

    The agent sees the corridor as a small image and the remaining time as a vector.
    """

    metadata = {"render_modes": ["rgb_array"]}
    render_mode = "rgb_array"
    LENGTH, TIME = 8, 20

    def __init__(self):
        self.observation_space = gymnasium.spaces.Dict(
            {
                "image": gymnasium.spaces.Box(0, 255, (16, 16, 3), np.uint8),
                "time": gymnasium.spaces.Box(0.0, 1.0, (1,), np.float32),
            }
        )
        self.action_space = gymnasium.spaces.Discrete(2)  # left, right

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._position, self._steps = self.LENGTH // 2, 0
        self._goal = int(self.np_random.integers(2)) * (self.LENGTH - 1)
        return self._observe(), {}

    def step(self, action):
        self._position = int(np.clip(self._position + 2 * action - 1, 0, self.LENGTH - 1))
        self._steps += 1
        terminated = self._position == self._goal
        truncated = self._steps >= self.TIME
        return self._observe(), float(terminated), terminated, truncated, {}

    def render(self):
        image = np.zeros((16, 16, 3), np.uint8)
        image[:, 2 * self._goal : 2 * self._goal + 2, 1] = 255
        image[6:10, 2 * self._position : 2 * self._position + 2] = 200
        return image

    def _observe(self):
        time = np.array([1 - self._steps / self.TIME], np.float32)
        return {"image": self.render(), "time": time}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--base_dir", default="runs/corridor/Corridor/0")
    parser.add_argument("--training_steps", type=int, default=3000)
    parser.add_argument("--gin_bindings", action="append", default=[])
    arguments = parser.parse_args()
    policy = dreamer_tf.train_agent(
        Corridor(),
        base_dir=arguments.base_dir,
        gin_files=["gym.gin", "base/small_model.gin"],
        gin_bindings=[
            "Runner.num_iterations = 1",
            f"Runner.training_steps = {arguments.training_steps}",
            "Runner.evaluation_steps = 200",
            "Runner.max_steps_per_episode = 20",
            "DreamerV2Agent.prefill_steps = 300",
            "EpisodeReplay.capacity = 20_000",
            "EpisodeReplay.reserve = 5_000",
            *arguments.gin_bindings,
        ],
    )
    print("mean return of 20 episodes:", np.mean([policy.run_episode()[0] for _ in range(20)]))
