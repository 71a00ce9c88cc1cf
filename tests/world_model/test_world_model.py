"""The world model's loss and its parts; the authors' numbers are in tests/parity."""

import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.networks.distributions import unit_normal
from tests.small_models import make_batch, make_world_model

SEED, UPDATE = tf.constant([1, 2]), tf.constant(0, tf.int64)


def test_images_are_scaled_and_vectors_are_not():
    model = make_world_model()
    found = model.preprocess_observation(
        {"image": tf.constant([0, 51, 255], tf.uint8), "vector": tf.constant([0.0, 51.0])}
    )
    np.testing.assert_allclose(found["image"], [-0.5, -0.3, 0.5], atol=1e-6)
    np.testing.assert_array_equal(found["vector"], [0.0, 51.0])


@pytest.mark.parametrize(
    "transform,expected", [("tanh", np.tanh(3.0)), ("identity", 3.0), ("sign", 1.0)]
)
def test_rewards_are_transformed(transform, expected):
    model = make_world_model(f"WorldModel.reward_transform='{transform}'")
    batch = make_batch()
    batch = batch._replace(reward=3.0 * tf.ones_like(batch.reward))
    np.testing.assert_allclose(model.preprocess(batch).reward, expected * np.ones([3, 6]))


def test_discounts_are_zero_where_the_environment_terminated():
    model = make_world_model("WorldModel.discount=0.9")
    np.testing.assert_allclose(
        model.discount_target(tf.constant([False, True]), UPDATE), [0.9, 0.0]
    )


@pytest.mark.parametrize("head", [True, False])
def test_the_discount_may_be_a_schedule(head):
    model = make_world_model(
        "WorldModel.discount=@horizon_schedule()",
        "horizon_schedule.initial=10",
        "horizon_schedule.final=100",
        "horizon_schedule.steps=1000",
        f"WorldModel.predict_discount={head}",
    )
    for update, expected in ((0, 0.9), (1000, 0.99), (5000, 0.99)):
        target = model.discount_target(tf.constant([False]), tf.constant(update, tf.int64))
        np.testing.assert_allclose(target, [expected], rtol=1e-6)


def test_without_a_discount_head_every_discount_is_gamma():
    model = make_world_model("WorldModel.discount=0.9", "WorldModel.predict_discount=False")
    np.testing.assert_allclose(
        model.discount_target(tf.constant([False, True]), UPDATE), [0.9, 0.9]
    )
    np.testing.assert_allclose(
        model.discount(tf.zeros([2, model.feature_size]), UPDATE), [0.9, 0.9]
    )
    _, outputs = model.loss(make_batch(), SEED, UPDATE)
    assert "discount" not in outputs.losses


def test_an_unknown_reward_transform_is_corrected():
    with pytest.raises(UserError, match="is 'tan', but must be 'tanh', 'identity' or 'sign'"):
        make_world_model("WorldModel.reward_transform='tan'")


def test_an_unknown_gradient_head_is_named():
    with pytest.raises(UserError, match="each entry is 'image', 'reward' or 'discount'"):
        make_world_model("WorldModel.gradient_heads=('image', 'kl')")


def logits(*probabilities):
    """[T, S=1, C=2] logits of variables with the given probabilities of the first class."""
    p = tf.constant(probabilities, tf.float32)[:, None, None]
    return tf.math.log(tf.concat([p, 1.0 - p], -1))


def divergence(p, q):
    return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))


POSTERIOR, PRIOR = (0.9, 0.5), (0.5, 0.5)


@pytest.mark.parametrize("balance", ["None", "0.8", "0.5"])
def test_balancing_does_not_change_the_value_of_the_kl_loss(balance):
    model = make_world_model(f"WorldModel.kl_balance={balance}")
    loss, kl = model.kl_loss(logits(*POSTERIOR), logits(*PRIOR))
    np.testing.assert_allclose(kl, [divergence(0.9, 0.5), 0.0], atol=1e-6)
    assert float(loss) == pytest.approx(divergence(0.9, 0.5) / 2, rel=1e-5)


def kl_gradients(*bindings):
    """Sizes of the gradients in posterior and prior logits [T]."""
    model = make_world_model(*bindings)
    sides = [logits(*POSTERIOR), logits(*PRIOR)]
    with tf.GradientTape() as tape:
        tape.watch(sides)
        loss, _ = model.kl_loss(*sides)
    return [np.abs(gradient).sum((1, 2)) for gradient in tape.gradient(loss, sides)]


def test_alpha_is_the_share_of_the_prior():
    plain = kl_gradients("WorldModel.kl_balance=None")
    balanced = kl_gradients("WorldModel.kl_balance=0.8")
    np.testing.assert_allclose(balanced[0], 0.2 * plain[0], rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(balanced[1], 0.8 * plain[1], rtol=1e-5, atol=1e-8)
    assert plain[0][0] > 0 and plain[1][0] > 0


@pytest.mark.parametrize("average,learns", [(True, False), (False, True)])
def test_free_nats_apply_to_the_mean_or_to_each_step(average, learns):
    """KL is 0.37 in the first step and 0 in the second, 0.18 on average."""
    found = kl_gradients("WorldModel.free_nats=0.3", f"WorldModel.free_average={average}")
    for gradient in found:
        assert (gradient[0] > 0) == learns and gradient[1] == 0


def test_the_loss_is_the_scaled_sum_of_its_terms():
    scales = {"kl": 0.3, "reward": 2.0, "discount": 5.0, "image": 0.7}
    names = {"kl": "kl_scale", "discount": "discount_scale", "reward": "reward_scale"}
    names["image"] = "image_scale"
    model = make_world_model(
        *(f"WorldModel.{names[key]}={value}" for key, value in scales.items()), images=True
    )
    total, outputs = model.loss(make_batch(images=True), SEED, UPDATE)
    scales["vector"] = scales["image"]
    assert set(outputs.losses) == set(scales)
    expected = sum(scales[name] * float(value) for name, value in outputs.losses.items())
    assert float(total) == pytest.approx(expected, rel=1e-5)
    for name, likelihood in outputs.log_likelihoods.items():
        assert likelihood.shape == (3, 6), name
        assert float(outputs.losses[name]) == pytest.approx(-np.mean(likelihood), rel=1e-5)


def test_the_end_of_an_episode_is_no_target():
    """Only terminations are; a truncated episode could have gone on."""
    model = make_world_model()
    batch = make_batch()
    totals = [
        float(model.loss(batch._replace(**{key: flags}), SEED, UPDATE)[0])
        for key in ("is_last", "is_terminal")
        for flags in (tf.zeros([3, 6], tf.bool), tf.ones([3, 6], tf.bool))
    ]
    assert totals[0] == totals[1] and totals[2] != totals[3]


def test_the_loss_floor_is_the_loss_of_a_perfect_prediction():
    model = make_world_model(images=True)
    for key, shape in {"vector": (3,), "image": (64, 64, 1)}.items():
        value = tf.random.stateless_normal([2, *shape], seed=[0, 1])
        perfect = -unit_normal(value, len(shape)).log_prob(value)
        np.testing.assert_allclose(perfect, [model.loss_floors[key]] * 2, rtol=1e-5)


@pytest.mark.parametrize(
    "change,message",
    [
        ({"reward": tf.zeros([3])}, r"Batch\.reward is \(3,\), but must be .*\[B, T\]"),
        ({"action": tf.zeros([3, 5, 3])}, r"Batch\.action is \(3, 5, 3\), but must be \(3, 6, "),
        ({"action": tf.zeros([3, 6])}, r"Batch\.action is \(3, 6\)"),
        ({"is_first": tf.zeros([3, 1], tf.bool)}, r"Batch\.is_first is \(3, 1\)"),
        ({"is_terminal": tf.zeros([3, 6])}, r"Batch\.is_terminal is float32, but must be bool"),
        ({"observation": {"vector": tf.zeros([3, 5, 3])}}, r"observation\['vector'\] is \(3, 5, 3"),
    ],
)
def test_a_batch_of_a_wrong_shape_is_named(change, message):
    model = make_world_model()
    with pytest.raises(ValueError, match=message):
        model.loss(make_batch()._replace(**change), SEED, UPDATE)


def test_a_likelihood_of_a_wrong_shape_is_named(monkeypatch):
    """One number per pixel instead of per step, as if the event axes were forgotten."""
    model = make_world_model()
    monkeypatch.setattr(
        model.decoder,
        "distributions",
        lambda features: {
            key: unit_normal(mean, 0) for key, mean in model.decoder.means(features).items()
        },
    )
    with pytest.raises(ValueError, match=r"of 'vector' is \(3, 6, 3\), but must be \(3, 6\)"):
        model.loss(make_batch(), SEED, UPDATE)


def test_shapes_are_checked_when_the_loss_is_compiled(monkeypatch):
    """All sizes are known there, so nothing passes as 'unknown'."""
    seen = []
    monkeypatch.setattr(
        "dreamer_tf.world_model.world_model.check_shape",
        lambda name, tensor, *_: seen.append((name, tensor.shape)),
    )
    model, batch = make_world_model(), make_batch()
    tf.function(lambda: model.loss(batch, SEED, UPDATE)[0])()
    assert {"WorldModel.loss: kl", "WorldModel.loss: log-likelihood of 'reward'"} <= {
        name for name, _ in seen
    }
    assert all(shape.is_fully_defined() for _, shape in seen)


def one_episode(**sizes):
    batch = make_batch(images=True, **sizes)
    first = np.zeros(batch.reward.shape, bool)
    first[:, 0] = True
    return batch._replace(is_first=tf.constant(first))


def open_loop(model, batch, context):
    return {key: value.numpy() for key, value in model.open_loop(batch, SEED, context)[1].items()}


@pytest.mark.parametrize("key", ["vector", "image"])
def test_open_loop_sees_the_context_and_nothing_after_it(mode_samples, key):
    model, batch = make_world_model(images=True), one_episode()
    before = open_loop(model, batch, 3)

    def predictions_after_changing(steps):
        changed = batch.observation[key].numpy()
        changed[:, steps] = 255 - changed[:, steps] if key == "image" else 9.0
        observation = batch.observation | {key: tf.constant(changed)}
        return open_loop(model, batch._replace(observation=observation), 3)

    later = predictions_after_changing(slice(3, None))
    for name, value in before.items():
        np.testing.assert_array_equal(value, later[name])
    seen = predictions_after_changing(slice(2, 3))
    assert np.abs(before["vector"] - seen["vector"])[:, 2:].max() > 0
    np.testing.assert_array_equal(before["vector"][:, :2], seen["vector"][:, :2])


def test_an_action_changes_the_prediction_that_it_leads_to(mode_samples):
    """The action of index t changes the prediction of t and of what follows, nothing before."""
    model, batch = make_world_model(images=True), one_episode()
    before = open_loop(model, batch, 2)["vector"]
    for t in range(1, 6):
        action = batch.action.numpy()
        action[:, t] = np.roll(action[:, t], 1, -1)
        after = open_loop(model, batch._replace(action=tf.constant(action)), 2)["vector"]
        np.testing.assert_array_equal(before[:, :t], after[:, :t])
        assert np.abs(before[:, t] - after[:, t]).min(axis=-1).max() > 0


def test_the_context_is_reconstructed_as_in_training(mode_samples):
    model, batch = make_world_model(images=True), one_episode()
    truth, prediction = model.open_loop(batch, SEED, 5)
    _, outputs = model.loss(batch, SEED, UPDATE)
    error = 0.5 * tf.reduce_sum(tf.square(truth["vector"] - prediction["vector"]), -1)
    np.testing.assert_allclose(
        (error + model.loss_floors["vector"])[:, :5],
        -outputs.log_likelihoods["vector"][:, :5],
        rtol=1e-5,
    )
