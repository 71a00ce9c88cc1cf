"""Cases A, E, H, I and I2: returns, actor and critic against the authors' implementation."""

import gin
import gymnasium
import keras
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.agents.learner import behavior_gradients
from dreamer_tf.behavior.actor import Actor
from dreamer_tf.behavior.returns import lambda_return
from dreamer_tf.networks.distributions import TruncatedNormal, tfd
from tests.parity.golden import (
    GRADIENT,
    Golden,
    assert_forward,
    assert_gradients,
    assert_step,
    by_path,
    in_golden_layout,
    make_actor_critic,
    make_optimizer,
    make_world_model,
    merge_start,
)

SEED = tf.constant([0, 0])
UPDATE = tf.constant(0, tf.int64)


@pytest.mark.parametrize("compiled", [False, True])
def test_lambda_return(golden, compiled):
    data = golden("A_lambda_return")
    function = tf.function(lambda_return) if compiled else lambda_return
    names = [key for key in data if "/return_lambda" in key]
    assert names
    for name in names:
        case, suffix = name.split("/return_lambda")
        actual = function(
            *(
                tf.constant(data[f"{case}/{k}"])
                for k in ("reward", "value", "discount", "bootstrap")
            ),
            float(suffix),
        )
        assert_forward(actual, data[name], name)


def truncated_normal(data: Golden, tape: tf.GradientTape):
    out_raw, std_raw = tf.constant(data["out_raw"]), tf.constant(data["std_raw"])
    tape.watch([out_raw, std_raw])
    std = 2.0 * tf.sigmoid((std_raw + float(data["init_std"])) / 2.0) + float(data["min_std"])
    return tfd.Independent(TruncatedNormal(tf.tanh(out_raw), std, low=-1.0, high=1.0), 1), {
        "out_raw": out_raw,
        "std_raw": std_raw,
    }


def as_numpy(gradients: dict) -> dict:
    return {key: np.asarray(value) for key, value in gradients.items()}


def test_actor_head(golden):
    """The real actor's distribution, through its two linear outputs."""
    data = golden("E_trunc_normal")
    size = data["weights/out/kernel"].shape[1]
    gin.bind_parameter("MLP.num_layers", 0)  # the golden case is the output layer alone
    actor = Actor(
        data["input"].shape[1],
        gymnasium.spaces.Box(-1, 1, (size,)),
        rng=np.random.default_rng(0),
        precision=keras.DTypePolicy("float32"),
        minimum_std=float(data["min_std"]),
        initial_std=float(data["init_std"]),
    )
    for variable in actor.variables:
        layer, weight = variable.path.removeprefix("actor.mlp.").split("/")
        variable.assign(data[f"weights/{layer}/{weight}"])
    policy = actor(tf.constant(data["input"]))
    assert_forward(policy.distribution.loc, data["mean"], "mean")
    assert_forward(policy.distribution.scale, data["std"], "std")
    assert_forward(policy.mode(), data["mode"], "mode")
    assert_forward(policy.log_prob(data["action"]), data["log_prob"], "log_prob")
    assert_forward(policy.entropy(), data["entropy"], "entropy")


def test_truncated_normal_gradients(golden):
    data = golden("E_trunc_normal")
    for name in ("log_prob", "entropy"):
        with tf.GradientTape() as tape:
            policy, sources = truncated_normal(data, tape)
            value = policy.log_prob(data["action"]) if name == "log_prob" else policy.entropy()
        gradients = tape.gradient(value, sources)
        expected = {key: data[f"grad_{name}/{key}"] for key in sources}
        assert_gradients(as_numpy(gradients), expected)


@pytest.mark.parametrize("case", ["sample", "edge"])
def test_truncated_normal_sample(golden, prescribed_actions, case):
    data = golden("E_trunc_normal")
    event = data["sample" if case == "sample" else "edge_event"]
    prescribed_actions.append(tf.constant(event))
    with tf.GradientTape() as tape:
        policy, sources = truncated_normal(data, tape)
        sample = policy.sample()
        loss = tf.reduce_sum(sample * data["sample_weight"])
    expected = data["sample" if case == "sample" else "edge_sample"]
    assert_forward(sample, expected, "sample")
    prefix = "grad_sample" if case == "sample" else "edge_grad"
    assert_gradients(
        as_numpy(tape.gradient(loss, sources)),
        {key: data[f"{prefix}/{key}"] for key in sources},
    )


MIXING = {"reinforce": 1.0, "dynamics": 0.0}


def run_actor_critic(data, golden_model, action_space, mode, sampling, start_prefix):
    """Losses, gradients and steps of one case and mode."""
    mixing = MIXING.get(mode, 1.0 - data.config("actor_grad_mix"))
    behavior = make_actor_critic(data, golden_model, action_space, mixing)
    # The mixed mode of the authors' code differentiates the log-probability through a
    # continuous action; ours does so only on request (docs/deviations.md).
    behavior._stop_action_gradient = mode != "both"
    optimizers = {
        "actor": make_optimizer(data, "actor", behavior.actor.trainable_variables),
        "critic": make_optimizer(data, "critic", behavior.critic.trainable_variables),
    }
    start = merge_start(data, start_prefix)
    terminal = "start/is_terminal" if "start/is_terminal" in data else "batch/is_terminal"
    is_terminal = tf.constant(data[terminal].reshape(-1))
    found = behavior_gradients(
        golden_model,
        behavior,
        optimizers,
        start=start,
        is_terminal=is_terminal,
        seed=SEED,
        update=UPDATE,
    )
    prefix = f"{sampling}/" if sampling else ""
    trajectory = found.trajectory
    expected_action = data[f"{prefix}imag/action"]
    check = {
        "imag/feat": trajectory.features,
        "imag/reward": trajectory.reward,
        "imag/discount": trajectory.discount,
        "imag/weight": trajectory.weight,
        "imag/value": found.value,
        "imag/target": found.target,
        "imag/critic_mean": found.critic_mean,
        "imag/baseline": found.value[:-2],
        "imag/advantage": found.target[1:] - found.value[:-2],
        "policy/entropy": found.entropy,
        f"actor_loss/{mode}": found.actor_loss,
        "critic_loss": found.critic_loss,
    }
    for key, value in check.items():
        assert_forward(value, data[prefix + key], key)
    assert_forward(trajectory.action, expected_action[1:], "action")
    policy = behavior.actor(trajectory.features[:-2])
    assert_forward(policy.log_prob(trajectory.action[:-1]), data[f"{prefix}policy/log_prob"], "lp")

    weights = data.group("weights/")
    for name, expected in (
        ("actor", data.group(f"{prefix}actor_grads/{mode}/")),
        ("critic", data.group(f"{prefix}critic_grads/")),
    ):
        variables = getattr(behavior, name).trainable_variables
        actual = in_golden_layout(list(expected), by_path(variables, getattr(found, name)), weights)
        assert_gradients(actual, expected)
        result = optimizers[name].apply(getattr(found, name))
        norm = f"actor_grad_norm/{mode}" if name == "actor" else "critic_grad_norm"
        assert_forward(result.grad_norm, data[prefix + norm], norm, GRADIENT)
        after = by_path(variables, [variable.numpy() for variable in variables])
        suffix = f"actor_after/{mode}/" if name == "actor" else "critic_after/"
        assert_step(
            in_golden_layout(list(expected), after, weights),
            data.group(prefix + suffix),
            data.config(f"{name}_opt_lr"),
        )


@pytest.mark.parametrize("mode", ["reinforce", "dynamics", "both"])
def test_discrete_actor_critic(golden, mode_samples, mode):
    """Case H: Atari scales, one-hot actions."""
    model = make_world_model(golden("G_world_model"))
    data = golden("H_actor_critic")
    space = gymnasium.spaces.Discrete(data.config("actions"))
    run_actor_critic(data, model, space, mode, None, "start/")


@pytest.mark.parametrize("sampling", ["mode", "quantile"])
@pytest.mark.parametrize(
    "name,mode",
    [("I_continuous", "dynamics"), ("I_continuous", "both"), ("I2_continuous_dmc", "dynamics")],
)
def test_continuous_actor_critic(golden, mode_samples, prescribed_actions, name, mode, sampling):
    """Cases I and I2: truncated normal actions with Atari and control suite settings."""
    data = golden(name)
    model = make_world_model(data)
    space = gymnasium.spaces.Box(-1, 1, (data.config("actions"),))
    if sampling == "quantile":
        actions = data["quantile/imag/action"][1:]
        prescribed_actions.extend(tf.constant(action) for action in actions)
    run_actor_critic(data, model, space, mode, sampling, "post/")


@pytest.mark.parametrize("name", ["I_continuous", "I2_continuous_dmc"])
def test_world_model_of_continuous_cases(golden, mode_samples, name):
    data = golden(name)
    model = make_world_model(data)
    loss, outputs = model.loss(data.batch(), SEED, UPDATE)
    assert_forward(loss, data["loss/total"], "loss")
    assert_forward(outputs.kl, data["kl_value"], "kl")
    assert_forward(model.rssm.features(outputs.posterior), data["feat"], "feat")
    for key, value in outputs.losses.items():
        assert_forward(value, data[f"loss/{key}"], key)
    for key, value in outputs.log_likelihoods.items():
        assert_forward(value, data[f"like/{key}"], key)
    assert ("discount" in outputs.losses) == data.config("pred_discount")


@pytest.mark.parametrize("fraction", [1.0, 0.25])
def test_target_critic(golden, fraction):
    """Case H, slow: when and how far the target critic follows."""
    data = golden("H_actor_critic")
    model = make_world_model(golden("G_world_model"))
    space = gymnasium.spaces.Discrete(data.config("actions"))
    behavior = make_actor_critic(data, model, space, 1.0)
    behavior._interval, behavior._fraction = 2, fraction
    group = data.group(f"slow/fraction{fraction}/")
    online, target = behavior.critic.variables, behavior.target_critic.variables
    names = [key.removeprefix("critic/") for key in group if key.startswith("critic/")]
    for call in range(len(group["counter"]) + 1):
        for variable, name in zip(target, names, strict=True):
            expected = group[f"target_critic/{name}"][call]
            if call == 0:
                variable.assign(expected)
            assert_forward(variable.numpy(), expected, f"{name} after call {call}")
        if call < len(group["counter"]):
            assert int(behavior.slow_updates) == group["counter"][call]
            for variable, name in zip(online, names, strict=True):
                variable.assign(group[f"critic/{name}"][call])
            behavior.update_target_critic()
