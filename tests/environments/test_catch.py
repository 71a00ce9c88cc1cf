"""Catch follows Gymnasium's rules, and its returns are what its docstring says."""

import numpy as np
from gymnasium.utils.env_checker import check_env

from dreamer_tf.environments.catch import Catch


def test_following_the_ball_always_catches_it_and_random_actions_rarely():
    environment = Catch()
    check_env(environment, skip_render_check=True)
    returns = {"follow": [], "random": []}
    for name, found in returns.items():
        for episode in range(200):
            image, _ = environment.reset(seed=3 if episode == 0 else None)
            ended, steps = False, 0
            while not ended:
                rows, columns = np.nonzero(image[::8, ::8, 0] == 255)
                paddle = np.nonzero(image[-1, ::8, 0] == 128)[0]
                target = np.sign(columns[0] - paddle[0]) + 1 if len(paddle) else 1
                assert rows[0] == steps
                action = target if name == "follow" else environment.np_random.integers(3)
                image, reward, ended, _, _ = environment.step(int(action))
                steps += 1
            assert steps == 7
            found.append(reward)
    assert min(returns["follow"]) == 1.0 and -0.9 < np.mean(returns["random"]) < -0.5
