"""The replay buffer that Dopamine's SPR agent asks for; the wheel of dopamine-rl lacks its own.

SPR predicts the states of the next steps, so it samples subsequences: the states and actions of
t, t+1, ..., t+jumps, and the n-step return of t.

    key          k        k+1      ...  k+jumps            k+n
    observation  o(k)     o(k+1)        o(k+jumps)         o(k+n) -> next_state, if not terminal
    action       a(k)     a(k+1)        a(k+jumps)
    reward       r(k)  -> return: r(k) + gamma r(k+1) + ... + gamma^(n-1) r(k+n-1)

As everywhere in Dopamine's replay, a step holds an observation, the action taken there, and the
reward and flags that this action led to. A state is the last `stack_size` observations of its
episode, with black images before its first one.
"""

from collections import deque
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf.agents.dopamine_compat import (
    PrioritizedSamplingDistribution,
    ReplayBuffer,
    TransitionElement,
    elements,
)


class ElementType(NamedTuple):
    """What an array of a batch is called."""

    name: str


class Subsequence(NamedTuple):
    """T steps of one episode, with return, next state and termination of the first one only."""

    state: np.ndarray  # [T, H, W, stack_size] uint8
    action: np.ndarray  # [T] int32
    reward: np.ndarray  # [1] float32, the n-step return
    next_state: np.ndarray  # [1, H, W, stack_size] uint8, after n steps
    terminal: np.ndarray  # [1] bool, whether the episode terminates within them
    same_trajectory: np.ndarray  # [T] float32, 1 where the step belongs to the first one's episode


class SubsequenceReplay(ReplayBuffer):
    """Single steps, of which subsequences are sampled in proportion to the priority of their start.

    Size and batch are Dopamine's `ReplayBuffer.max_capacity` and `ReplayBuffer.batch_size`.
    Only complete n-step returns can be sampled: those that end with a termination, or that are
    followed by a stored step of the same episode. Elements are compressed, as Dopamine's are.
    """

    def __init__(
        self,
        stack_size: int,
        update_horizon: int,
        gamma: float,
        subsequence_length: int,
        seed: int,
    ):
        """Starts empty.

        Args:
          stack_size: images in a state.
          update_horizon: n, agent steps of a return.
          gamma: discount of an agent step.
          subsequence_length: steps of a subsequence, the first one included.
          seed: of the samples.
        """
        super().__init__(
            transition_accumulator=None,
            sampling_distribution=PrioritizedSamplingDistribution(seed=seed),
        )
        self._stack_size = stack_size
        self._horizon = update_horizon
        self._gamma = gamma
        self._length = subsequence_length
        # Keys of the running episode whose return is not complete.
        self._waiting: deque[int] = deque()

    @property
    def starts(self) -> int:
        """Steps with a complete return, which can be sampled."""
        return len(self._sampling_distribution._key_by_index)

    def add(self, transition: TransitionElement, **kwargs: Any) -> None:
        """Adds a step.

        Args:
          transition: observation [H, W] uint8, action, reward and flags.
          **kwargs: `priority`, of the steps whose return is complete now.
        """
        key = self.add_count
        packed = elements.compress(transition.observation)
        self._memory[key] = transition._replace(observation=packed)
        self.add_count += 1
        self._waiting.append(key)
        if transition.is_terminal:
            complete = len(self._waiting)
        else:
            complete = int(self._waiting[0] + self._horizon <= key)
        for _ in range(complete):
            self._sampling_distribution.add(self._waiting.popleft(), **kwargs)
        if transition.episode_end:
            self._waiting.clear()
        if len(self._memory) > self._max_capacity:
            self._forget()

    def cut(self) -> None:
        """Ends the running episode as truncated, where it is."""
        if self._waiting:
            last = self.add_count - 1
            self._memory[last] = self._memory[last]._replace(episode_end=True)
            self._waiting.clear()

    def _forget(self) -> None:
        """Removes the oldest step, and what needs its observation from those that are sampled."""
        oldest, _ = self._memory.popitem(last=False)
        known = self._sampling_distribution._index_by_key
        for key in range(oldest, oldest + self._stack_size):
            if key in known:
                self._sampling_distribution.remove(key)
        while self._waiting and self._waiting[0] < oldest + self._stack_size:
            self._waiting.popleft()  # the buffer is shorter than a return

    def get_transition_elements(self) -> list[ElementType]:
        """What the arrays of `sample_transition_batch` are, in their order."""
        names = (*Subsequence._fields, "indices", "sampling_probabilities")
        return [ElementType(name) for name in names]

    def sample_transition_batch(self, rng: Any = None) -> tuple[np.ndarray, ...]:
        """Samples a batch of B subsequences of T steps.

        Args:
          rng: ignored; the buffer has random numbers of its own, which checkpoints hold.

        Returns:
          The arrays of `Subsequence` with B in front, keys [B] and probabilities [B].

        Raises:
          ValueError: no return is complete.
        """
        sampled = self._sampling_distribution.sample(self._batch_size)
        rows = [self._subsequence(int(key)) for key in sampled.keys]
        batch = [np.stack(column) for column in zip(*rows, strict=True)]
        return (*batch, sampled.keys, sampled.probabilities)

    def set_priority(self, indices: np.ndarray, priorities: Any) -> None:
        """Sets the priorities [B] of sampled keys [B]."""
        self.update(np.asarray(indices), priorities=np.asarray(priorities))

    def _subsequence(self, key: int) -> Subsequence:
        reward, bootstrap = self._return(key)
        steps = [key]
        while len(steps) < self._length and self._continues(steps[-1]):
            steps.append(steps[-1] + 1)
        # SPR masks what is behind the end of an episode, but a black image would make it divide
        # zero by zero, so the last state stands there.
        same = np.arange(self._length) < len(steps)
        steps += [steps[-1]] * (self._length - len(steps))
        images: dict[int, np.ndarray] = {}
        return Subsequence(
            state=np.stack([self._state(step, images) for step in steps]),
            action=np.array([self._memory[step].action for step in steps], np.int32),
            reward=np.array([reward], np.float32),
            # Without a bootstrap its value is multiplied by zero.
            next_state=self._state(key if bootstrap is None else bootstrap, images)[None],
            terminal=np.array([bootstrap is None]),
            same_trajectory=same.astype(np.float32),
        )

    def _return(self, key: int) -> tuple[float, int | None]:
        """The n-step return of a step, and the step behind it; None if the episode terminated."""
        total = 0.0
        for offset in range(self._horizon):
            step = self._memory[key + offset]
            total += self._gamma**offset * float(step.reward)
            if step.is_terminal:
                return total, None
        return total, key + self._horizon

    def _continues(self, key: int) -> bool:
        """Whether the next step is stored and belongs to the same episode."""
        step = self._memory[key]
        return key + 1 < self.add_count and not (step.is_terminal or step.episode_end)

    def _state(self, key: int, images: dict[int, np.ndarray]) -> np.ndarray:
        """The stack of images of a step, [H, W, stack_size] uint8."""
        first = key
        oldest = self.add_count - len(self._memory)
        while first > max(key - self._stack_size + 1, oldest) and self._continues(first - 1):
            first -= 1
        for step in range(first, key + 1):
            if step not in images:
                images[step] = elements.uncompress(self._memory[step].observation)
        shape = (*images[key].shape, self._stack_size)
        state = np.zeros(shape, images[key].dtype)
        for step in range(first, key + 1):
            state[..., step - key - 1] = images[step]
        return state
