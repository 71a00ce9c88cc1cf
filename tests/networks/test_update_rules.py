"""Rules of one's own in place of Adam, whose arithmetic is in test_optimizer and in parity."""

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.networks.optimizer import Optimizer
from dreamer_tf.networks.update_rules import UpdateRule
from tests.several_devices import on_devices
from tests.small_models import configure, make_learner, sequences


class Momentum(UpdateRule):
    SLOTS = ("speed",)

    def update(self, weight, gradient, learning_rate, slots):
        slots["speed"].assign(0.5 * slots["speed"] + gradient)
        weight.assign_sub(learning_rate * slots["speed"])


class Counting(Momentum):
    """Remembers something that no checkpoint would hold."""

    def __init__(self, variables):
        super().__init__(variables)
        self.seen = tf.Variable(0.0, name="seen")


class Plain:
    def __init__(self, variables):
        pass


def make(rule=Momentum, **settings):
    variables = [keras.Variable([1.0, 2.0], name="a"), keras.Variable([[3.0]], name="b")]
    settings = {"learning_rate": 0.1, "weight_decay": 0.0, "clip": 0.0} | settings
    return variables, Optimizer(variables, name="test", rule=rule, **settings)


@pytest.fixture
def registered():
    """Gives gin the names of the rules, and forgets them afterwards."""
    with gin.unlock_config():
        for rule in (Momentum, Counting):
            gin.external_configurable(rule, module="tests_of_rules")
    yield
    for rule in (Momentum, Counting):
        gin.config._REGISTRY.pop(f"tests_of_rules.{rule.__name__}")


def test_a_rule_changes_the_weights_and_remembers_its_slots():
    (a, b), optimizer = make()
    for _ in range(2):
        optimizer.apply([tf.constant([1.0, -2.0]), None])
    np.testing.assert_allclose(a, [1.0 - 0.1 * (1.0 + 1.5), 2.0 + 0.1 * (2.0 + 3.0)], rtol=1e-6)
    np.testing.assert_array_equal(b, [[3.0]])
    rule = {name.split("/", 2)[2]: v for name, v in optimizer.state.items() if "/Momentum/" in name}
    assert list(rule) == ["000.iteration", "001.learning_rate", "002.a_speed", "003.b_speed"]
    np.testing.assert_array_equal(rule["002.a_speed"], [1.5, -3.0])
    assert rule["000.iteration"].numpy() == 2 and optimizer.rule.iterations.numpy() == 2


def test_clipping_and_weight_decay_come_before_the_rule():
    (a, _), optimizer = make(clip=1.0, weight_decay=0.25)
    optimizer.apply([tf.constant([3.0, 4.0]), tf.zeros((1, 1))])
    np.testing.assert_allclose(a, [0.75 - 0.06, 1.5 - 0.08], rtol=1e-6)


def test_a_bad_gradient_changes_neither_weights_nor_slots():
    (a, _), optimizer = make()
    optimizer.apply([tf.ones(2), tf.ones((1, 1))])
    before = {name: value.numpy().tobytes() for name, value in optimizer.state.items()}
    weight = a.numpy()
    assert not optimizer.apply([tf.constant([1.0, np.nan]), tf.ones((1, 1))]).applied
    after = {name: value.numpy().tobytes() for name, value in optimizer.state.items()}
    assert after.pop("test/skipped") != before.pop("test/skipped")
    assert after == before
    np.testing.assert_array_equal(a, weight)


def test_a_rule_of_another_kind_is_a_sentence():
    with pytest.raises(UserError, match=r"Optimizer\.rule makes a Plain, but must make a UpdateRu"):
        make(Plain)
    with pytest.raises(UserError, match=r"Optimizer\.rule: UpdateRule has no update: define it"):
        make(UpdateRule)
    with pytest.raises(UserError, match=r"Optimizer\.rule: <lambda> cannot be called as"):
        make(lambda: None)


def test_one_part_can_have_a_rule_and_a_learner_saves_it(registered):
    configure("critic/Optimizer.rule=@tests_of_rules.Momentum")
    learner = make_learner()
    learner.update(sequences())
    saved = {name: value.numpy() for name, value in learner.variables().items()}
    speeds = [name for name in saved if name.endswith("_speed")]
    assert speeds and all(name.startswith("critic/Momentum/") for name in speeds)
    assert any(np.abs(saved[name]).max() > 0.0 for name in speeds)
    other = make_learner()
    other.assign(saved)
    for one in (learner, other):
        one.update(sequences(seed=1))
    for name, value in learner.variables().items():
        assert value.numpy().tobytes() == other.variables()[name].numpy().tobytes(), name


def test_a_variable_that_is_no_slot_is_refused(registered):
    configure("Optimizer.rule=@tests_of_rules.Counting")
    with pytest.raises(UserError, match=r"'seen:0' is .*An Optimizer\.rule remembers in SLOTS"):
        make_learner()


def test_replicas_stay_equal_with_a_rule(tmp_path):
    on_devices(2, "learn_with_momentum", tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as found:
        assert found["updates"] == 3 and found["actor/Momentum/000.iteration"] == 3
        assert any(np.abs(found[name]).max() > 0 for name in found if name.endswith("_speed"))
