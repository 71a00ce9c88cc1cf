"""Small replays, episodes for them, and what holds for every batch."""

import gymnasium
import numpy as np

from dreamer_tf.replay.episode_replay import EpisodeReplay

SPACE = gymnasium.spaces.Dict(
    {
        "image": gymnasium.spaces.Box(0, 255, (4, 4, 1), np.uint8),
        "number": gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32),
    }
)
ACTIONS = gymnasium.spaces.Discrete(5)


def make(directory, **settings) -> EpisodeReplay:
    defaults = {"seed": 0, "capacity": 100, "reserve": 20, "batch_size": 8, "sequence_length": 10}
    return EpisodeReplay(directory, SPACE, ACTIONS, **(defaults | settings))


def add_episode(replay, length, *, number=0, terminal=True, finished=True, stream=0):
    """Adds `length` steps; observations name the episode and the step."""
    for step in range(length):
        last = finished and step == length - 1
        replay.add(
            {
                "image": np.full((4, 4, 1), step % 256, np.uint8),
                "number": np.array([number, step], np.float32),
            },
            step % 5,
            float(step),
            is_first=step == 0,
            is_last=last,
            is_terminal=last and terminal,
            stream=stream,
        )


def check_sequences(batch, first_resets=True):
    """What holds for every sequence, whatever was stored."""
    number, step = batch.observation["number"][..., 0], batch.observation["number"][..., 1]
    same = number[:, 1:] == number[:, :-1]
    np.testing.assert_array_equal(np.diff(step, axis=1)[same], 1)
    # A new episode begins exactly where is_first says so, apart from the first column.
    np.testing.assert_array_equal(batch.is_first[:, 1:], ~same)
    assert batch.is_first[:, 0].all() or not first_resets
    # ... and only after a step that was the last of its episode.
    np.testing.assert_array_equal(batch.is_last[:, :-1], ~same)
    np.testing.assert_array_equal(batch.observation["image"][..., 0, 0, 0], step % 256)
    np.testing.assert_array_equal(batch.action, step % 5)
    np.testing.assert_array_equal(batch.reward, step)
