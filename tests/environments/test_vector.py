"""Several environments at once, in this process and in workers."""

import functools
import threading

import gin
import gymnasium
import numpy as np
import pytest

from dreamer_tf.environments.registry import FACTORY
from dreamer_tf.environments.vector import create_vector_environment
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import runner  # noqa: F401 - has the parameter that names the factory
from tests.helpers import ScriptedEnvironment, bind


def short_environment():
    return ScriptedEnvironment(((2, "terminated"),))


def locked_environment(lock):
    return ScriptedEnvironment()


def test_an_ended_episode_waits_until_it_is_reset():
    vector = create_vector_environment(short_environment, 2, asynchronous=False)
    vector.reset(seed=[0, 1])
    for _ in range(2):
        _, _, terminated, _, _ = vector.step(np.array([0, 0]))
    assert terminated.all()
    observation, _ = vector.reset(options={"reset_mask": np.array([False, True])})
    np.testing.assert_array_equal(observation["vector"][:, :2], [[0, 2], [1, 0]])
    vector.close()


def test_what_cannot_be_sent_to_a_worker_is_a_user_error():
    with pytest.raises(UserError, match="asynchronous = False"):
        create_vector_environment(functools.partial(locked_environment, threading.Lock()), 1)


def test_workers_create_the_configured_environment():
    """Workers deliver what environments in this process deliver."""
    bind(
        "import tests.helpers",
        f"{FACTORY} = @ScriptedEnvironment",
        "ScriptedEnvironment.script = ((3, 'truncated'),)",
    )
    make = gin.query_parameter(FACTORY).scoped_configurable_fn
    found = []
    for asynchronous in (False, True):
        vector = create_vector_environment(make, 2, asynchronous=asynchronous)
        found.append([vector.reset(seed=[1, 2])])
        found[-1] += [vector.step(np.array([0, 2])) for _ in range(3)]
        found[-1].append(vector.reset(options={"reset_mask": np.array([True, False])}))
        vector.close()
    assert isinstance(vector, gymnasium.vector.AsyncVectorEnv)
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_equal(ours, theirs)
    np.testing.assert_array_equal(found[1][3][3], [True, True])  # truncated


class Talkative(ScriptedEnvironment):
    """Its info has what does not fit into an array of all environments."""

    episode_info = ("share",)
    made = 0

    def __init__(self):
        super().__init__(((2, "terminated"),))
        Talkative.made += 1
        self.number = Talkative.made

    def step(self, action):
        *found, info = super().step(action)
        share = 0 if self.number % 2 else 0.75  # an int in one environment
        told = {"inventory": {"wood": 3}, "text": "a" if self.number % 2 else 1.5}
        return (*found, info | told | {"share": share, "path": np.zeros(self.number)})


def test_only_what_is_read_of_an_info_is_put_together():
    """A dict in it ended a run with a traceback, and 0.75 beside 0 became 0."""
    vector = create_vector_environment(Talkative, 2, asynchronous=False)
    vector.reset(seed=[0, 1])
    info = vector.step(np.array([0, 0]))[-1]
    assert {key for key in info if not key.startswith("_")} == {"life_lost", "share"}
    assert sorted(info["share"]) == [0.0, 0.75] and info["life_lost"].dtype == bool
    vector.close()
