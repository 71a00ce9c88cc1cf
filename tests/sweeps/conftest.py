"""Run directories as a training leaves them, without a training."""

import json

import pytest

from dreamer_tf.scores import score_files
from dreamer_tf.storage.checkpoints import Checkpoint, CheckpointStore
from dreamer_tf.sweeps import home, plan
from dreamer_tf.sweeps.driver import Sweep

HASH = "0" * 16


def leave(
    base_dir, iteration, steps=10_000, value=3.0, seed=0, game="Pong", protocol="machado2018"
):
    """What a run leaves that has been saved after so many iterations."""
    (base_dir / "checkpoints").mkdir(parents=True, exist_ok=True)
    scores = [
        score_files.Score(
            number,
            value,
            "DreamerV2",
            "eval",
            game,
            seed,
            4 * steps * (number + 1),
            5,
            protocol,
            HASH,
        )
        for number in range(iteration)
    ]
    score_files.write(base_dir / "scores.json", scores)
    state = {
        "runner": {"iteration": iteration, "scores": scores, "log_sizes": {}},
        "agent": {"agent_steps": iteration * steps, "updates": 3},
    }
    CheckpointStore(base_dir / "checkpoints").save(iteration or 1, Checkpoint({}, state))
    facts = {"seed": seed, "gin_hash": HASH, "bindings": {}, "progress": True}
    (base_dir / "run.json").write_text(json.dumps(facts))


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """Two games and two seeds of atari_small.gin: 2 iterations of 10,000 steps each."""
    monkeypatch.chdir(tmp_path)
    request = plan.Request("atari_small.gin", ["Pong", "Alien"], "0-1")
    return Sweep(request, plan.make(request), home.Home("runs", home.name_of(request)))
