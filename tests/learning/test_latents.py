"""Latents come to say something about planes that are nearly always zero.

Each plane has one dot, somewhere else in every step, so only the latents can know where it is. With
even odds at the start, the decoder first makes everything less likely, and within 100 updates the
latents are certain and equal for all observations. They stay so.
"""

import gymnasium
import numpy as np
import pytest

from dreamer_tf.agents.learner import Learner
from dreamer_tf.networks.log_odds import LogOdds
from dreamer_tf.replay.episode_replay import Sequences
from tests.small_models import configure

PLANES = (8, 8, 2)
SIZES = (
    "CategoricalLatent.variables=8",
    "CategoricalLatent.classes=8",
    "RSSM.units=32",
    "RSSM.hidden_units=32",
    "MLP.units=16",
    "Encoder.depth=8",
    "Decoder.depth=8",
    "ActorCritic.horizon=3",
    "world_model/Optimizer.learning_rate=1e-3",
)


def dots(rng, size=16, length=8):
    """Sequences of planes with one dot each."""
    rows, columns = rng.integers(0, PLANES[0], (2, size, length, PLANES[2]))
    grid = np.arange(PLANES[0])
    planes = (rows[:, :, None, None] == grid[:, None, None]) & (
        columns[:, :, None, None] == grid[:, None]
    )
    never = np.zeros((size, length), bool)
    return Sequences(
        observation={"planes": planes},
        action=np.zeros((size, length), np.int32),
        reward=np.zeros((size, length), np.float32),
        is_first=never,
        is_last=never,
        is_terminal=never,
    )


@pytest.mark.parametrize("even", [False, True])
def test_latents_see_sparse_planes_unless_all_begins_with_even_odds(even, monkeypatch):
    if even:
        monkeypatch.setattr(LogOdds, "start", lambda *_: None)
    configure(*SIZES)
    space = gymnasium.spaces.Dict({"planes": gymnasium.spaces.Box(0, 1, PLANES, bool)})
    learner, rng = Learner(space, gymnasium.spaces.Discrete(3), seed=0), np.random.default_rng(0)
    for update in range(1, 601):
        metrics = learner.update(dots(rng))
        entropy, kl = float(metrics["posterior_entropy"]), float(metrics["kl"])
        if update in (50, 100, 400, 600):  # pytest -s shows the table of docs/learning.md
            print(f"\n{even=} {update=} {kl=:.3f} {entropy=:.2f}", end="")
    if even:
        assert kl < 0.1 and entropy < 0.5  # nats, of 16.6 in all
    else:
        assert kl > 1.0 and entropy > 1.0
