"""Mistakes of new users, one of each kind; `python -m tests.commands.mistakes` times them."""

import json
import os
import sys
import tempfile
import time
from typing import NamedTuple

from tests.commands.processes import run

# Written into the working directory.
MODULE = """
import gin, gymnasium, numpy as np

class Base(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

@gin.configurable
class OldApi(Base):
    def reset(self):
        return np.zeros(3, np.float32)
    def step(self, action):
        return np.zeros(3, np.float32), 0.0, False, {}

@gin.configurable
class NoReset:
    pass
"""


class Mistake(NamedTuple):
    """A command, and what its one sentence must name."""

    command: str
    arguments: list[str]
    words: list[str]
    needs_tensorflow: bool = False


def train(*bindings: str, file: str = "atari.gin") -> list[str]:
    return [f"--gin_files={file}", *(f"--gin_bindings={binding}" for binding in bindings)]


MISTAKES = {
    "no gin file": Mistake("train", [], ["--gin_files", "atari_small.gin"]),
    "a gin file that is not there": Mistake("train", train(file="atary.gin"), ["'atari.gin'"]),
    "a misspelt game": Mistake("train", train("AtariEnvironment.game_name='Pnog'"), ["'Pong'"]),
    "text without quotes": Mistake("train", train("AtariEnvironment.game_name=Pong"), ["quotes"]),
    "a misspelt flag": Mistake("train", ["--gin_file=atari.gin"], ["gin_file"]),
    "a misspelt class": Mistake("train", train("RSMM.units=5"), ["'RSSM'"], True),
    "a misspelt parameter": Mistake("train", train("WorldModel.kl_scales=1"), ["'kl_scale'"], True),
    "text for a number": Mistake(
        "train", train("WorldModel.kl_scale='big'"), ["WorldModel.kl_scale is 'big'"], True
    ),
    "half a step": Mistake(
        "train", train("ActorCritic.horizon=15.5"), ["ActorCritic.horizon is 15.5"], True
    ),
    "an empty batch": Mistake(
        "train", train("EpisodeReplay.batch_size=0"), ["EpisodeReplay.batch_size is 0"], True
    ),
    "a negative length": Mistake(
        "train", train("Runner.training_steps=-5"), ["Runner.training_steps is -5"], True
    ),
    "an override in vain": Mistake(
        "train",
        train("Optimizer.learning_rate=5e-3", "AtariEnvironment.game_name='Pong'"),
        ["has no effect", "world_model/Optimizer.learning_rate"],
        True,
    ),
    "more replay than disk": Mistake(
        "train",
        train("EpisodeReplay.capacity=1000000000000", "AtariEnvironment.game_name='Pong'"),
        ["GB", "EpisodeReplay.capacity"],
        True,
    ),
    "a directory that cannot be made": Mistake(
        "train",
        [*train("AtariEnvironment.game_name='Pong'"), "--base_dir=/proc/run"],
        ["/proc/run", "--base_dir"],
        True,
    ),
    "an unknown environment": Mistake(
        "train",
        train("create_gym_environment.id='CartPoel-v1'", file="gym.gin"),
        ["CartPoel"],
        True,
    ),
    "an environment of the old Gym": Mistake(
        "train",
        train("import mistakes_module", "create_gym_environment.factory=@OldApi", file="gym.gin"),
        ["reset must accept seed="],
        True,
    ),
    "an environment that lacks a method": Mistake(
        "train",
        train("import mistakes_module", "DreamerRunner.create_environment_fn=@NoReset"),
        ["reset"],
        True,
    ),
    "a run that is not there": Mistake("evaluate", ["--base_dir=runs/none"], ["runs/none"]),
    "a video that is no GIF": Mistake(
        "evaluate", ["--base_dir=runs/none", "--video=episode.mp4"], [".gif"]
    ),
    "runs that are not there": Mistake("compare", ["--runs=runs/none/*"], ["runs/none"]),
}


def make(mistake: Mistake, directory: str):
    """Makes a mistake in a directory; the result of the command."""
    with open(os.path.join(directory, "mistakes_module.py"), "w") as file:
        file.write(MODULE)
    environment = os.environ | {"PYTHONPROFILEIMPORTTIME": "1"}
    return run(directory, mistake.command, *mistake.arguments, env=environment)


def sentence(result) -> str:
    """What a command said, without the table of imports."""
    lines = result.stderr.splitlines()
    return "\n".join(line for line in lines if not line.startswith("import time:"))


def main() -> None:
    for name, mistake in MISTAKES.items():
        with tempfile.TemporaryDirectory() as directory:
            started = time.perf_counter()
            result = make(mistake, directory)
            seconds = time.perf_counter() - started
        facts = {"mistake": name, "seconds": round(seconds, 1), "exit": result.returncode}
        print(json.dumps(facts | {"says": sentence(result)}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
