"""Checkpoints with valid checksums whose state no DreamerV2 agent has saved are passed over."""

import copy
import hashlib
import json

import numpy as np
import pytest

from dreamer_tf.storage.checkpoints import Checkpoint, CheckpointStore
from dreamer_tf.storage.files import save_arrays
from tests.helpers import ScriptedEnvironment
from tests.small_models import configure, make_agent


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """An agent that has acted a little, its store with two checkpoints, and what is in them."""
    configure("DreamerV2Agent.prefill_steps=1000")
    base_dir = tmp_path_factory.mktemp("run")
    agent = make_agent(base_dir)
    environment = ScriptedEnvironment()
    for _ in range(6):
        observation, ended = environment.reset(), False
        action = agent.begin_episode(observation)
        while not ended:
            observation, reward, terminated, truncated, _ = environment.step(action)
            ended = terminated or truncated
            if not ended:
                action = agent.step(reward, observation)
        agent.end_episode(reward, terminated, observation)
    assert agent.replay.can_sample()
    checkpoint = Checkpoint({}, {})
    agent.save(checkpoint)
    store = CheckpointStore(base_dir / "checkpoints")
    for number in (1, 2):
        store.save(number, checkpoint)
    yield agent, store, checkpoint
    agent.close()


def forge(store, arrays, state):
    path = store.path(2)
    (path / "state.json").write_text(json.dumps(state))
    with (path / "arrays.npz").open("wb") as file:
        save_arrays(file, arrays)
    files = {}
    for name in ("arrays.npz", "state.json"):
        data = (path / name).read_bytes()
        files[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (path / "manifest.json").write_text(json.dumps({"format": 2, "number": 2, "files": files}))


def used(agent, store):
    """Number of the checkpoint that the agent resumes from."""
    number, checkpoint = store.load_latest(expected=agent.expected(), check=agent.check_state)
    agent.restore(checkpoint)
    return number


def test_what_the_agent_saved_is_used(saved):
    agent, store, checkpoint = saved
    forge(store, *checkpoint)
    assert used(agent, store) == 2


def drop_agent(state):
    del state["agent"]


def drop_replay(state):
    del state["replay"]


def other_generator(state):
    state["agent"]["rng"]["bit_generator"] = "MT19937"


def negative_steps(state):
    state["agent"]["agent_steps"] = -1


def text_for_steps(state):
    state["agent"]["agent_steps"] = "7"


def endless_steps(state):
    state["agent"]["agent_steps"] = 10**30


def other_streams(state):
    state["replay"]["streams"] *= 3


def episodes_beyond_the_end(state):
    state["replay"]["streams"][0]["starts"].append(10**9)


def plan_beyond_the_end(state):
    state["replay"]["plan"][0][0][1] = 10**9


def plan_of_another_batch(state):
    state["replay"]["plan"] *= 2


def plan_of_a_negative_stream(state):
    state["replay"]["plan"][0][0][0] = -1


def plan_of_a_missing_stream(state):
    state["replay"]["plan"][0][0][0] = 7


def checksums_of_another_length(state):
    state["replay"]["checksums"]["streams"][0]["sums"] = ["00"] * 5


def checksums_that_are_none(state):
    state["replay"]["checksums"] = {"steps": 0, "streams": []}


def everything_empty(state):
    state.clear()


@pytest.mark.parametrize(
    "change",
    [
        *(drop_agent, drop_replay, other_generator, negative_steps, text_for_steps, endless_steps),
        *(other_streams, episodes_beyond_the_end, plan_beyond_the_end, plan_of_another_batch),
        *(plan_of_a_negative_stream, plan_of_a_missing_stream, checksums_of_another_length),
        *(checksums_that_are_none, everything_empty),
    ],
)
def test_a_state_that_no_agent_saved_is_passed_over(saved, change):
    agent, store, checkpoint = saved
    state = json.loads(json.dumps(checkpoint.state))
    change(state)
    forge(store, checkpoint.arrays, state)
    assert used(agent, store) == 1


@pytest.mark.parametrize("kind", ["nan", "shape", "missing", "more", "type"])
def test_weights_that_no_agent_saved_are_passed_over(saved, kind):
    agent, store, checkpoint = saved
    arrays = copy.deepcopy(checkpoint.arrays)
    name = max(arrays, key=lambda key: arrays[key].size)
    if kind == "nan":
        for key, array in arrays.items():
            if array.dtype.kind == "f":
                arrays[key] = np.full_like(array, np.nan)
    elif kind == "shape":
        arrays[name] = arrays[name][:-1]
    elif kind == "missing":
        del arrays[name]
    elif kind == "more":
        arrays["more"] = np.zeros(3)
    else:
        arrays[name] = arrays[name].astype(np.float64)
    forge(store, arrays, checkpoint.state)
    assert used(agent, store) == 1
