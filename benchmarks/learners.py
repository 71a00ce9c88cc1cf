"""What benchmarks of the update share: a learner, random data, FLOPs, this machine's speed."""

import math
import os
import time
from typing import Any

import gymnasium
import keras
import numpy as np

IMAGE = gymnasium.spaces.Box(0, 255, (64, 64, 1), np.uint8)
OBSERVATION_SPACE = gymnasium.spaces.Dict({"image": IMAGE})
ACTION_SPACE = gymnasium.spaces.Discrete(18)
FILES = {"paper": "atari.gin", "small": "atari_small.gin"}
# Models of growing size for `scaling.py` and `memory.py`: S is that of atari_small.gin, M that of
# base/small_model.gin and L the paper's.
MODELS = {
    "S": (16, 16, 128, 128, 8, 2, 128),
    "M": (16, 16, 256, 200, 16, 2, 200),
    "L": (32, 32, 600, 600, 48, 4, 400),
}
_MODEL_PARAMETERS = (
    "CategoricalLatent.variables",
    "CategoricalLatent.classes",
    "RSSM.units",
    "RSSM.hidden_units",
    "Encoder.depth",
    "MLP.num_layers",
    "MLP.units",
)
# Names in the gin files that a learner alone does not import.
ELSEWHERE = (
    "Runner",
    "DreamerRunner",
    "CollectorDispatcher",
    "AtariEnvironment",
    "DreamerV2Agent",
    "dreamer_tf.create_agent",
)
TINY = (
    "CategoricalLatent.variables=4",
    "CategoricalLatent.classes=4",
    "RSSM.units=16",
    "RSSM.hidden_units=16",
    "Encoder.depth=2",
    "Decoder.depth=2",
    "MLP.num_layers=1",
    "MLP.units=16",
)


def make_learner(size: str, bindings: list[str]) -> Any:
    """A learner of `atari.gin`, `atari_small.gin` or, for trying things out, 'tiny'.

    Dopamine is not imported, so this works where it is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from dreamer_tf.agents.learner import Learner
    from dreamer_tf.experiment import gin_files
    from dreamer_tf.experiment.devices import leave_out_remapping

    leave_out_remapping()  # as a training does
    more = TINY if size == "tiny" else ()
    gin_files.parse([FILES.get(size, "atari.gin")], [*more, *bindings], skip_unknown=ELSEWHERE)
    return Learner(OBSERVATION_SPACE, ACTION_SPACE, seed=0)


def model_bindings(model: str) -> list[str]:
    """Gin bindings of a model of `MODELS`."""
    pairs = zip(_MODEL_PARAMETERS, MODELS[model], strict=True)
    bindings = [f"{name}={value}" for name, value in pairs]
    return [*bindings, f"Decoder.depth={MODELS[model][4]}"]


def random_sequences(batch: int, length: int) -> Any:
    """Sequences as the replay delivers them."""
    from dreamer_tf.replay.episode_replay import Sequences

    rng = np.random.default_rng(0)
    shape = (batch, length)
    is_first = np.zeros(shape, bool)
    is_first[:, 0] = True
    return Sequences(
        observation={"image": rng.integers(0, 256, (*shape, 64, 64, 1), np.uint8)},
        action=rng.integers(0, 18, shape).astype(np.int32),
        reward=rng.normal(size=shape).astype(np.float32),
        is_first=is_first,
        is_last=np.zeros(shape, bool),
        is_terminal=np.zeros(shape, bool),
    )


def activation_bytes(learner: Any) -> int:
    """Bytes of what the forward pass keeps for the gradients, after the first update.

    From the traced graph: all that operations of a gradient read of operations that are not. What
    the loop over time keeps in lists is not counted; at the sizes here it is a few percent.
    """
    graph = learner._update_function.get_concrete_function().graph
    kept = {}
    for operation in graph.get_operations():
        if not operation.name.startswith("gradient_tape/"):
            continue
        for tensor in operation.inputs:
            while tensor.op.type in ("Reshape", "Identity", "StopGradient", "Cast"):
                tensor = tensor.op.inputs[0]
            own = tensor.op.name.startswith("gradient_tape/")
            if own or tensor.op.type in ("Const", "ReadVariableOp", "Placeholder"):
                continue
            if tensor.shape.is_fully_defined() and tensor.dtype.is_floating:
                kept[tensor.name] = math.prod(tensor.shape) * tensor.dtype.size
    return sum(kept.values())


def memory_parts(learner: Any, sequences: Any) -> dict[str, int]:
    """Bytes of what must be in memory during an update, by name, after the first one."""
    return {
        "weights_and_moments": sum(
            int(np.prod(variable.shape)) * variable.dtype.size
            for variable in (*learner.variables().values(), *learner.acting._copies)
        ),
        "gradients": 4 * sum(learner.num_parameters.values()),
        "activations": activation_bytes(learner),
        "batch": sum(x.nbytes for x in (*sequences.observation.values(), *sequences[1:])),
    }


def matmul_rate(precision: str, size: int = 2048, seconds: float = 1.0) -> float:
    """FLOP per second of a square matrix product in the compute dtype of a precision."""
    import tensorflow as tf

    dtype = keras.DTypePolicy(precision).compute_dtype
    left = tf.cast(tf.random.normal([size, size]), dtype)
    right = tf.cast(tf.random.normal([size, size]), dtype)
    product = tf.function(lambda: tf.matmul(left, right))
    product().numpy()
    times = []
    while sum(times) < seconds or len(times) < 3:
        started = time.perf_counter()
        product()[0, 0].numpy()
        times.append(time.perf_counter() - started)
    return 2.0 * size**3 / float(np.median(times))


def count_flops(learner: Any, batch: int, length: int) -> float:
    """Floating point operations of one update, from the configuration.

    A multiplication and an addition are two operations. Only matrix products and convolutions
    count. What is trained costs three forward passes (forward, gradient of the inputs, gradient of
    the weights), what is only used costs one:

        world model   3 * B T * (encoder + RSSM + decoder + reward + discount)
        imagination   B T * (H * (actor + RSSM without posterior)
                             + (H + 1) * (reward + discount + target critic))
        behavior      3 * B T * ((H - 1) * actor + H * critic)

    At the paper's sizes with B = 16 and T = 50 that is 791e9.
    """
    model, behavior = learner.world_model, learner.actor_critic
    horizon = behavior.horizon
    parts = {
        "encoder": _macs(model.encoder, 64),
        "rssm": _macs(model.rssm),
        "decoder": _macs(model.decoder),
        "reward": _macs(model._reward),
        "discount": _macs(model._discount_head) if model._discount_head else 0,
        "actor": _macs(behavior.actor),
        "critic": _macs(behavior.critic),
    }
    posterior = sum(
        math.prod(layer.kernel.shape)
        for layer in (model.rssm._post_deter, model.rssm._post_embedding, model.rssm._post_out)
    )
    heads = parts["reward"] + parts["discount"] + parts["critic"]
    trained = sum(parts[name] for name in ("encoder", "rssm", "decoder", "reward", "discount"))
    imagined = horizon * (parts["actor"] + parts["rssm"] - posterior) + (horizon + 1) * heads
    learned = 3 * ((horizon - 1) * parts["actor"] + horizon * parts["critic"])
    return 2.0 * batch * length * (3 * trained + imagined + learned)


def _macs(module: Any, image_size: int = 0) -> int:
    """Multiply-accumulates of one forward pass of one step."""
    total, size = 0, image_size
    for layer in module.layers:
        for part in getattr(layer, "_layers", []):  # a layer that is made of layers
            if isinstance(part, keras.layers.Conv2DTranspose):
                total += size * size * math.prod(part.kernel.shape)
                size = (size - 1) * 2 + part.kernel_size[0]
            elif isinstance(part, keras.layers.Dense):
                total += math.prod(part.kernel.shape)
                if part.name.endswith(".first"):
                    size = layer._first_shape[0]
        if isinstance(layer, keras.layers.Conv2D):
            size = (size - layer.kernel_size[0]) // 2 + 1
            total += size * size * math.prod(layer.kernel.shape)
        elif isinstance(layer, keras.layers.Dense):
            total += math.prod(layer.kernel.shape)
    return total
