"""Parts of a state are of their type, or named."""

import msgspec
import numpy as np
import pytest

from dreamer_tf.storage import schema


class _Part(msgspec.Struct):
    count: schema.Count
    values: dict[str, float]


def test_a_part_of_its_type_is_returned():
    found = schema.check({"count": 3, "values": {"a": 1, "b": float("nan")}}, _Part, "part")
    assert found.count == 3 and found.values["a"] == 1.0


@pytest.mark.parametrize(
    "part", [None, [], {}, {"count": True, "values": {}}, {"count": 2**60, "values": {}}, "text"]
)
def test_another_part_is_named(part):
    with pytest.raises(ValueError, match="'part' of its state is wrong"):
        schema.check(part, _Part, "part")


def test_the_state_of_a_generator_is_accepted_and_changes_nothing():
    state = np.random.default_rng(3).bit_generator.state
    before = repr(state)
    schema.check_rng(state)
    assert repr(state) == before


@pytest.mark.parametrize(
    "change",
    [
        {"bit_generator": "MT19937"},
        {"state": {}},
        {"state": {"state": -1, "inc": 1}},
        {"state": {"state": 2**200, "inc": 1}},
        {"state": None},
        {"has_uint32": "x"},
    ],
)
def test_an_impossible_generator_is_refused(change):
    state = np.random.default_rng(3).bit_generator.state | change
    with pytest.raises(ValueError, match="impossible state"):
        schema.check_rng(state)
    with pytest.raises(ValueError, match="impossible state"):
        schema.check_rng({})
