"""Every state that an agent saves fits its schema, and a state with other parts does not."""

import copy
import json

import numpy as np
import pytest

from dreamer_tf.agents.saved import SavedDopamine, SavedDreamer, SavedElements
from dreamer_tf.storage import schema

RNG = np.random.default_rng(0).bit_generator.state
DREAMER = {
    "agent_steps": 5,
    "evaluation_steps": 0,
    "rng": RNG,
    "metrics": {"loss": 1.5, "kl": 2},
    "since_log": [{"loss": float("nan")}],
    "seconds": {"update": 0.5},
    "first_update_step": 3,
    "bad_updates": 0,
}
DOPAMINE = {"agent_steps": 5, "updates": 1, "training_steps": 4, "metrics": {}, "seconds": {}}
ELEMENTS = {"sampling": {"rng": RNG}, "added": 7}
STATES = [(DREAMER, SavedDreamer), (DOPAMINE, SavedDopamine), (ELEMENTS, SavedElements)]
PARTS = [(state, kind, key) for state, kind in STATES for key in state]


@pytest.mark.parametrize(("state", "kind"), STATES)
def test_a_saved_state_fits(state, kind):
    schema.check(json.loads(json.dumps(state)), kind, "agent")


@pytest.mark.parametrize(("state", "kind", "key"), PARTS)
@pytest.mark.parametrize("value", [None, "text", -1, [[]], 1e30])
def test_a_part_of_another_type_is_refused(state, kind, key, value):
    changed = copy.deepcopy(state) | {key: value}
    with pytest.raises(ValueError, match="is wrong"):
        schema.check(changed, kind, "agent")
    del changed[key]
    with pytest.raises(ValueError, match="is wrong"):
        schema.check(changed, kind, "agent")
