"""Returns of policies that learn nothing, under the protocol of the gin files.

Random play, and each action throughout. A policy that has learned beats all of them.

python benchmarks/simple_policies.py --game=KungFuMaster
"""

import json
from collections.abc import Callable

import numpy as np
from absl import app, flags
from common import interval_of_mean, report

FLAGS = flags.FLAGS
flags.DEFINE_string("game", "KungFuMaster", "As in AtariEnvironment.game_name.")
flags.DEFINE_integer("random_games", 200, "Games of random play.")
flags.DEFINE_integer("games", 20, "Games of each action.")
flags.DEFINE_integer("seed", 0, "The i-th game of every policy begins with the seed + i.")


def play(environment, games: int, choose: Callable[[], int]) -> np.ndarray:
    """Returns of whole games."""
    returns = np.zeros(games)
    for game in range(games):
        environment.reset(FLAGS.seed + game)
        ended = False
        while not ended:
            _, reward, terminated, truncated, _ = environment.step(choose())
            returns[game] += reward
            ended = terminated or truncated
    return returns


def main(_) -> None:
    from dreamer_tf.environments.atari import AtariEnvironment

    environment = AtariEnvironment(FLAGS.game)
    meanings = environment._gymnasium.unwrapped.get_action_meanings()
    rng = np.random.default_rng(FLAGS.seed)
    rows = {"random": play(environment, FLAGS.random_games, lambda: int(rng.integers(18)))}
    for action, meaning in enumerate(meanings):
        rows[meaning] = play(environment, FLAGS.games, lambda action=action: action)
    for policy, returns in rows.items():
        report(
            benchmark="simple_policies",
            game=FLAGS.game,
            policy=policy,
            games=len(returns),
            mean=float(returns.mean()),
            interval_99=interval_of_mean(returns, 0.99),
            best_game=float(returns.max()),
        )
    constant = {policy: returns.mean() for policy, returns in rows.items() if policy != "random"}
    print(json.dumps({"best_action": max(constant, key=constant.get)}), flush=True)


if __name__ == "__main__":
    app.run(main)
