"""Precisions and XLA through the whole learner."""

import numpy as np
import pytest

from dreamer_tf.errors import UserError
from tests.helpers import bind
from tests.small_models import configure, make_learner, sequences


@pytest.mark.parametrize("precision", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_every_precision_learns(precision):
    configure(
        f"Learner.precision='{precision}'",
        "Optimizer.initial_scale=64.0",
        "world_model/Optimizer.learning_rate=3e-3",
    )
    learner = make_learner(images=True)
    before = {name: value.numpy() for name, value in learner.variables().items()}
    batch = sequences(images=True)
    metrics = [learner.update(batch) for _ in range(25)]
    after = learner.variables()
    for name, optimizer in learner.optimizers.items():
        assert int(optimizer.skipped) == 0, name
        expected = 64.0 if precision == "mixed_float16" else 1.0
        assert float(metrics[-1][f"{name}_loss_scale"]) == expected
    changed = [name for name in before if (before[name] != after[name].numpy()).any()]
    assert len([name for name in changed if name.endswith("kernel")]) > 15
    assert all(value.dtype.name in ("float32", "int64", "int32") for value in after.values())
    assert all(np.isfinite(float(value)) for value in metrics[-1].values())
    errors = [float(metric["image_error"]) for metric in metrics]
    assert np.mean(errors[-5:]) < 0.95 * np.mean(errors[:5])
    action, _ = learner.acting.step(
        {key: value[:, 0] for key, value in batch.observation.items()},
        np.ones(3, bool),
        learner.acting.initial_state(3),
        0,
        True,
    )
    assert action.shape == (3,)


def test_overflow_skips_the_update_and_lowers_the_scale():
    """Weights and moments of the optimizer that overflowed stay as they are; others are updated."""
    configure("Learner.precision='mixed_float16'", "Optimizer.initial_scale=64.0")
    learner = make_learner(images=True)
    batch = sequences(images=True)
    learner.update(batch)
    learner.optimizers["world_model"].loss_scale.assign(2.0**24)
    before = {name: value.numpy() for name, value in learner.variables().items()}
    metrics = learner.update(batch)
    after = {name: value.numpy() for name, value in learner.variables().items()}
    model = {variable.path for variable in learner.world_model.variables}
    for name, value in before.items():
        if name in model or name.startswith("world_model/adam"):
            np.testing.assert_array_equal(value, after[name], err_msg=name)
    assert after["world_model/loss_scale"] == 2.0**23
    assert after["world_model/skipped"] == before["world_model/skipped"] + 1
    assert float(metrics["world_model_skipped_updates"]) == 1
    assert not np.isfinite(float(metrics["model_gradient_norm"]))
    assert after["critic/skipped"] == 0
    assert (before["critic.value/kernel"] != after["critic.value/kernel"]).any()


def test_xla_computes_the_same(mode_samples):
    batch = sequences(images=True)
    results = []
    for compile_ in (False, True):
        configure(f"Learner.jit_compile={compile_}")
        learner = make_learner(images=True)
        results.append({key: float(value) for key, value in learner.update(batch).items()})
    for name, value in results[0].items():
        assert results[1][name] == pytest.approx(value, rel=1e-3, abs=1e-5), name


def test_an_unknown_precision_is_named_with_those_that_exist():
    configure()
    bind("Learner.precision='float64'")
    with pytest.raises(UserError, match="mixed_bfloat16"):
        make_learner()
