"""An agent of one's own under the same Runner: tabular Q-learning, or random play."""

import gin
import numpy as np

from dreamer_tf.agents.protocol import Agent


@gin.configurable
class TabularQ(Agent):
    """Q-learning for one observation of zeros and ones; `epsilon=1` plays at random."""

    label, eval_mode, updates = "Tabular Q", False, 0

    def __init__(self, observation_space, action_space, *, epsilon=0.1, rate=0.5, **run):
        super().__init__(run["num_environments"])
        [(self._key, box)] = observation_space.spaces.items()
        self._epsilon, self._rate, self._rng = epsilon, rate, np.random.default_rng(run["seed"])
        self._table = np.zeros((box.shape[0], int(action_space.n)))

    def begin_episode(self, observation):
        self._state = np.argmax(observation[self._key])
        values = self._table[self._state] + 1e-9 * self._rng.random(self._table.shape[1])
        explores = not self.eval_mode and self._rng.random() < self._epsilon
        self._action = int(self._rng.integers(len(values)) if explores else np.argmax(values))
        return self._action

    def step(self, reward, observation):
        self.end_episode(reward, False, observation)
        return self.begin_episode(observation)

    def end_episode(self, reward, terminal=True, observation=None):
        if not self.eval_mode:
            value = 0.0 if terminal else self._table[np.argmax(observation[self._key])].max()
            error = reward + 0.99 * value - self._table[self._state, self._action]
            self._table[self._state, self._action] += self._rate * error
            self.updates = self.agent_steps = self.agent_steps + 1

    def describe(self, steps):
        return {"schedule": f"{steps} updates of a table"}

    def save(self, checkpoint):
        checkpoint.arrays["table"] = self._table
        checkpoint.state["agent"] = [self.agent_steps, self._rng.bit_generator.state]

    def restore(self, checkpoint):
        self._table[:] = checkpoint.arrays["table"]
        self.updates, self._rng.bit_generator.state = checkpoint.state["agent"]
        self.agent_steps = self.updates
