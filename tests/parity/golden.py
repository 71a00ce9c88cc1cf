"""Reads the golden arrays and gives their weights to our classes."""

import re
from pathlib import Path

import gin
import gymnasium
import keras
import numpy as np
import tensorflow as tf

from dreamer_tf.behavior.actor_critic import ActorCritic
from dreamer_tf.networks.module import Module
from dreamer_tf.networks.optimizer import Optimizer
from dreamer_tf.world_model.rssm import LatentState
from dreamer_tf.world_model.world_model import Batch, WorldModel

DIRECTORY = Path(__file__).resolve().parents[1] / "data" / "golden"

# Why these tolerances: tests/data/golden/README.md.
FORWARD = 2e-5  # of the largest value of an array
GRADIENT = 1e-4  # of the norm of a tensor
STEP = 0.02  # of the learning rate


class Golden:
    """One file of golden arrays; every size is read from it."""

    def __init__(self, name: str):
        with np.load(DIRECTORY / f"{name}.npz") as arrays:
            self._arrays = {key: arrays[key] for key in arrays.files}

    def __getitem__(self, key: str) -> np.ndarray:
        return self._arrays[key]

    def __contains__(self, key: str) -> bool:
        return key in self._arrays

    def __iter__(self):
        return iter(self._arrays)

    def config(self, key: str):
        """A setting, as a Python value."""
        return self._arrays[f"config/{key}"].tolist()

    def group(self, prefix: str) -> dict[str, np.ndarray]:
        """All arrays below a prefix, without it."""
        return {
            key[len(prefix) :]: value
            for key, value in self._arrays.items()
            if key.startswith(prefix)
        }

    def batch(self) -> Batch:
        """The stored batch."""
        stored = self.group("batch/")
        names = ("action", "reward", "is_first", "is_last", "is_terminal")
        arrays = {name: tf.constant(stored[name]) for name in names}
        return Batch(observation={"image": tf.constant(stored["image"])}, **arrays)


def assert_forward(actual, expected: np.ndarray, name: str, tolerance: float = FORWARD) -> None:
    """max |a - b| / max |b| is within the forward tolerance."""
    actual = np.asarray(actual)
    assert actual.shape == expected.shape, f"{name}: {actual.shape} against {expected.shape}"
    scale = max(float(np.abs(expected).max()), 1e-6)
    error = float(np.abs(actual - expected).max()) / scale
    assert error < tolerance, f"{name}: error {error:.1e}"


def assert_gradients(actual: dict, expected: dict, tolerance: float = GRADIENT) -> None:
    """Every tensor's error is small against its norm; both sides name the same tensors."""
    assert set(actual) == set(expected), set(actual) ^ set(expected)
    for name, value in expected.items():
        assert actual[name].shape == value.shape, name
        error = np.linalg.norm(actual[name] - value) / max(np.linalg.norm(value), 1e-8)
        assert error < tolerance, f"gradient of {name}: error {error:.1e}"


def assert_step(actual: dict, expected: dict, learning_rate: float) -> None:
    """Weights after one step agree to a fraction of the learning rate."""
    assert set(actual) == set(expected), set(actual) ^ set(expected)
    for name, value in expected.items():
        error = float(np.abs(actual[name] - value).max()) / learning_rate
        assert error < STEP, f"{name} after one step: error {error:.1e} learning rates"


_RENAMES = (
    (r"^encoder/conv(\d)/", r"encoder.image.conv\1/"),
    (r"^decoder/conv([1-9])/", r"decoder.image.conv\1/"),
    (r"^decoder/convin/", "decoder.image.linear/"),
    (r"^decoder/conv0/kernel", "decoder.image.first/kernel"),
    (r"^decoder/conv0/bias", "decoder.image/decoder.image.first.bias"),
    (r"^rssm/gru/(kernel|bias)", r"rssm.gru.linear/\1"),
    (r"^rssm/gru/ln_", "rssm.gru.norm/"),
    (r"^rssm/img_out_0/", "rssm.prior_hidden/"),
    (r"^rssm/img_dist_0/", "rssm.prior_out/"),
    (r"^rssm/obs_dist/", "rssm.post_out/"),
    (r"^rssm/img_in/bias", "rssm.in_stoch/bias"),
    (r"^rssm/obs_out/bias", "rssm.post_deter/bias"),
    (r"^reward/out/", "reward.mean/"),
    (r"^discount/out/", "discount.logit/"),
    (r"^critic/out/", "critic.value/"),
    (r"^actor/", "actor.mlp."),
    (r"^(reward|discount|critic)/", r"\1."),
)
_SPLITS = {
    "rssm/img_in/kernel": ("rssm.in_stoch/kernel", "rssm.in_action/kernel"),
    "rssm/obs_out/kernel": ("rssm.post_deter/kernel", "rssm.post_embedding/kernel"),
}


def _our_name(name: str) -> str:
    for pattern, replacement in _RENAMES:
        name, count = re.subn(pattern, replacement, name)
        if count:
            return name
    raise KeyError(name)


def _swap_first(kernel: np.ndarray) -> np.ndarray:
    """Transposed convolution [kh, kw, out, in] of a 1x1 input -> dense [in, kh*kw*out]."""
    return kernel.reshape(-1, kernel.shape[-1]).T


def load_weights(module: Module, weights: dict[str, np.ndarray], prefix: str = "") -> None:
    """Gives golden weights to a module; each of its variables must get one."""
    variables = {variable.path.removeprefix(prefix): variable for variable in module.variables}
    loaded = set()

    def assign(name: str, value: np.ndarray) -> None:
        assert tuple(variables[name].shape) == value.shape, name
        variables[name].assign(value)
        loaded.add(name)

    for name, value in weights.items():
        if name in _SPLITS:
            first, second = _SPLITS[name]
            rows = variables[first].shape[0]
            assign(first, value[:rows])
            assign(second, value[rows:])
        else:
            value = _swap_first(value) if name == "decoder/conv0/kernel" else value
            assign(_our_name(name), value)
    assert loaded == set(variables), set(variables) - loaded


def in_golden_layout(
    names: list[str], ours: dict[str, np.ndarray], golden: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Our tensors, by path, under the golden names and in the golden layout."""
    result = {}
    for name in names:
        if name in _SPLITS:
            result[name] = np.concatenate([ours[part] for part in _SPLITS[name]], 0)
        elif name == "decoder/conv0/kernel":
            result[name] = ours[_our_name(name)].T.reshape(golden[name].shape)
        else:
            result[name] = ours[_our_name(name)]
    return result


def by_path(variables: list[keras.Variable], values: list) -> dict[str, np.ndarray]:
    """Arrays by the path of their variable; None becomes zeros."""
    return {
        variable.path: np.zeros(variable.shape) if value is None else np.asarray(value)
        for variable, value in zip(variables, values, strict=True)
    }


def _parameters(golden: Golden) -> dict[str, object]:
    config = golden.config
    return {
        "Encoder.depth": config("cnn_depth"),
        "Encoder.kernels": tuple(config("encoder_kernels")),
        "Decoder.depth": config("cnn_depth"),
        "Decoder.kernels": tuple(config("decoder_kernels")),
        "RSSM.units": config("rssm_deter"),
        "RSSM.hidden_units": config("rssm_hidden"),
        "CategoricalLatent.variables": config("rssm_stoch"),
        "CategoricalLatent.classes": config("rssm_discrete"),
        "MLP.num_layers": config("head_layers"),
        "MLP.units": config("head_units"),
        "WorldModel.discount": config("discount"),
        "WorldModel.kl_scale": config("scale_kl"),
        "WorldModel.kl_balance": config("kl_balance"),
        "WorldModel.free_nats": config("kl_free"),
        "WorldModel.free_average": config("kl_free_avg"),
        "WorldModel.reward_transform": "tanh" if config("clip_rewards_tanh") else "identity",
        "WorldModel.reward_scale": config("scale_reward"),
        "WorldModel.discount_scale": config("scale_discount"),
        "WorldModel.image_scale": config("scale_image"),
        "WorldModel.predict_discount": config("pred_discount"),
    }


def make_world_model(golden: Golden, precision: str = "float32") -> WorldModel:
    """Our world model with the golden sizes and weights."""
    assert not golden.config("kl_forward")
    for key, value in _parameters(golden).items():
        gin.bind_parameter(key, value)
    shape = golden["batch/image"].shape[2:]
    space = gymnasium.spaces.Dict({"image": gymnasium.spaces.Box(0, 255, shape, np.uint8)})
    model = WorldModel(
        space,
        gymnasium.spaces.Discrete(golden.config("actions")),
        rng=np.random.default_rng(0),
        precision=keras.DTypePolicy(precision),
    )
    weights = {
        name: value
        for name, value in golden.group("weights/").items()
        if name.split("/")[0] not in ("actor", "critic", "target")
    }
    load_weights(model, weights)
    return model


def make_actor_critic(
    golden: Golden, model: WorldModel, action_space: gymnasium.Space, mixing: float
) -> ActorCritic:
    """Our actor and critics with the golden sizes and weights."""
    gin.bind_parameter("ActorCritic.horizon", golden.config("horizon"))
    gin.bind_parameter("ActorCritic.lambda_", golden.config("discount_lambda"))
    gin.bind_parameter("ActorCritic.entropy_scale", golden.config("actor_ent"))
    gin.bind_parameter("ActorCritic.gradient_mixing", mixing)
    behavior = ActorCritic(
        model.feature_size,
        action_space,
        rng=np.random.default_rng(0),
        precision=keras.DTypePolicy("float32"),
    )
    weights = golden.group("weights/")
    for name in ("actor", "critic"):
        module = getattr(behavior, name)
        load_weights(module, {k: v for k, v in weights.items() if k.startswith(f"{name}/")})
    load_weights(behavior.target_critic, golden.group("weights/target/"), prefix="target_")
    return behavior


def make_optimizer(golden: Golden, name: str, variables: list[keras.Variable]) -> Optimizer:
    """Our optimizer with the golden settings of 'model', 'actor' or 'critic'."""
    return Optimizer(
        variables,
        name=name,
        learning_rate=golden.config(f"{name}_opt_lr"),
        epsilon=golden.config(f"{name}_opt_eps"),
        clip=golden.config(f"{name}_opt_clip"),
        weight_decay=golden.config(f"{name}_opt_wd"),
    )


def merge_start(golden: Golden, prefix: str) -> LatentState:
    """Start states [N, ...] from [B, L, ...] arrays."""
    stoch, deter = golden[f"{prefix}stoch"], golden[f"{prefix}deter"]
    count = deter.shape[0] * deter.shape[1]
    return LatentState(tf.constant(stoch.reshape(count, -1)), tf.constant(deter.reshape(count, -1)))
