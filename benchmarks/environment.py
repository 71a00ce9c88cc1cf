"""Agent steps per second of ALE: our environment against bare ALE with the same image processing.

python benchmarks/environment.py --game=Pong
"""

import time

import ale_py
import cv2
import numpy as np
from absl import app, flags
from ale_py import roms
from common import report

FLAGS = flags.FLAGS
flags.DEFINE_string("game", "Pong", "As in AtariEnvironment.game_name.")
flags.DEFINE_integer("steps", 1500, "Agent steps of one round.")
flags.DEFINE_integer("rounds", 5, "Rounds, alternating between the two.")


def bare(ale, actions: np.ndarray) -> None:
    legal = ale.getLegalActionSet()
    frames = [np.zeros(ale.getScreenDims(), np.uint8) for _ in range(2)]
    for action in actions:
        meaning = legal[action]
        for frame in range(4):
            ale.act(meaning)
            if frame >= 2:
                ale.getScreenGrayscale(frames[frame - 2])
        image = cv2.max(*frames)
        for size in (84, 64):
            image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        if ale.game_over():
            ale.reset_game()


def ours(environment, actions: np.ndarray) -> None:
    for action in actions:
        *_, terminated, truncated, _ = environment.step(action)
        if terminated or truncated:
            environment.reset()


def main(_) -> None:
    from dreamer_tf.environments.atari import AtariEnvironment

    environment = AtariEnvironment(FLAGS.game)
    environment.reset(0)
    ale = ale_py.ALEInterface()
    ale.setFloat("repeat_action_probability", 0.25)
    ale.loadROM(roms.get_rom_path(environment._gymnasium._game))
    ale.reset_game()
    actions = np.random.default_rng(0).integers(0, 18, FLAGS.steps)
    rates = {"bare": [], "ours": []}
    for _ in range(FLAGS.rounds):
        for name, play in (("bare", lambda: bare(ale, actions)), ("ours", None)):
            started = time.perf_counter()
            play() if play else ours(environment, actions)
            rates[name].append(FLAGS.steps / (time.perf_counter() - started))
    medians = {name: float(np.median(values)) for name, values in rates.items()}
    report(
        benchmark="environment",
        game=FLAGS.game,
        agent_steps_per_second=medians["ours"],
        bare_agent_steps_per_second=medians["bare"],
        share=medians["ours"] / medians["bare"],
    )


if __name__ == "__main__":
    app.run(main)
