"""Recurrent State-Space Model (paper 2.1, eq. 1, figure 2).

h_t = f(h_{t-1}, z_{t-1}, a_{t-1})      recurrent model
z_t ~ q(z_t | h_t, x_t)                 posterior, from the image's embedding
z_t ~ p(z_t | h_t)                      prior, used to imagine

index         t=0        t=1        t=2
image         x0         x1         x2
action        (0)        a0         a1          action[t] LED to image[t]
is_first      1          0          0           resets h, z and the action before step t
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from dreamer_tf.networks import layers
from dreamer_tf.networks.bias import wide_sum
from dreamer_tf.networks.gru import GRUCell
from dreamer_tf.networks.module import Module
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.settings.types import Activation, Size
from dreamer_tf.world_model.latents import CategoricalLatent, Latent


class LatentState(NamedTuple):
    """A compact model state; `RSSM.features` joins both parts."""

    stoch: tf.Tensor  # [..., latent size], the flattened sample z
    deter: tf.Tensor  # [..., D], the recurrent state h


@configurable(denylist=["embedding_size", "action_size", "rng", "precision"])
class RSSM(Module):
    """Deterministic GRU state plus stochastic latents."""

    def __init__(
        self,
        embedding_size: int,
        action_size: int,
        *,
        rng: np.random.Generator,
        precision: layers.Precision,
        units: Size = 600,
        hidden_units: Size = 600,
        latent: Latent | None = None,
        layer_norm: bool = True,
        activation: Activation = "elu",
    ):
        """Builds the networks.

        Args:
          embedding_size: E, size of an encoded observation.
          action_size: A, size of an action (one-hot where discrete).
          rng: draws the seeds of the initialization.
          precision: Keras precision policy of the layers.
          units: D, size of the recurrent state (Table D1: 600).
          hidden_units: units of the layers around the GRU (released code: the same as `units`).
          latent: the stochastic variables; None for 32 x 32 categoricals.
          layer_norm: layer norm inside the GRU (Appendix C).
          activation: Keras activation name.
        """
        super().__init__(precision)
        self.latent = latent or CategoricalLatent()
        self.units = units
        self.feature_size = self.latent.size + units
        self._activation = keras.activations.get(activation)
        sizes = {"rng": rng, "precision": precision}
        # Layers with two inputs are split in two, so that the half that does not depend on the
        # state can be computed for all steps at once. They are initialized like the whole.
        joint = self.latent.size + action_size
        self._in_stoch = layers.dense(
            self.latent.size, hidden_units, name="rssm.in_stoch", fan_in=joint, **sizes
        )
        self._in_action = layers.dense(
            action_size, hidden_units, name="rssm.in_action", fan_in=joint, use_bias=False, **sizes
        )
        self._cell = GRUCell(hidden_units, units, norm=layer_norm, name="rssm.gru", **sizes)
        self._prior_hidden = layers.dense(
            units, hidden_units, name="rssm.prior_hidden", activation=activation, **sizes
        )
        outputs = self.latent.parameter_size
        self._prior_out = layers.dense(hidden_units, outputs, name="rssm.prior_out", **sizes)
        joint = units + embedding_size
        self._post_deter = layers.dense(
            units, hidden_units, name="rssm.post_deter", fan_in=joint, **sizes
        )
        self._post_embedding = layers.dense(
            embedding_size,
            hidden_units,
            name="rssm.post_embedding",
            fan_in=joint,
            use_bias=False,
            **sizes,
        )
        self._post_out = layers.dense(hidden_units, outputs, name="rssm.post_out", **sizes)

    def initial(self, batch: int | tf.Tensor) -> LatentState:
        """The zero state at the start of an episode, [batch, ...]."""
        return LatentState(
            tf.zeros([batch, self.latent.size], self.compute_dtype),
            tf.zeros([batch, self.units], self.compute_dtype),
        )

    def observe(
        self,
        embedding: tf.Tensor,
        action: tf.Tensor,
        is_first: tf.Tensor,
        state: LatentState,
        seed: tf.Tensor,
    ) -> tuple[LatentState, tf.Tensor, tf.Tensor]:
        """Filters sequences: the posterior state at every step.

        Everything that does not depend on the previous state is computed outside the loop: the
        halves of the first layers that see the action and the embedding, and the whole prior.

        Args:
          embedding: [B, T, E].
          action: [B, T, A]; action[:, t] led to embedding[:, t].
          is_first: [B, T] bool.
          state: [B, ...] state before the sequence.
          seed: [2] int32, stateless.

        Returns:
          Posterior state [B, T, ...], posterior parameters and prior parameters
          [B, T, *parameter_shape] in float32.
        """
        # Where an episode begins, the previous state and the action belong to another episode.
        keep = 1.0 - tf.cast(is_first, self.compute_dtype)[..., None]  # [B, T, 1]
        action = self._project(self._in_action, tf.cast(action, self.compute_dtype) * keep)
        embedding = self._project(self._post_embedding, embedding)
        seeds = tf.random.split(seed, embedding.shape[1])  # [T, 2]
        # tf.scan runs over the first axis.
        embedding, action, keep = (_swap(x) for x in (embedding, action, keep))  # [T, B, ...]
        steps, batch = embedding.shape[:2]
        dense = [
            LoopDense(layer, steps, batch, self.compute_dtype)
            for layer in (self._in_stoch, self._cell.linear, self._post_deter, self._post_out)
        ]
        in_stoch, recur, post_deter, post_out = dense

        def step(carry: tuple[Any, ...], now: tuple[Any, ...]) -> tuple[Any, ...]:
            (stoch, deter), *_ = carry
            embedding, action, keep, seed, probes = now
            stoch, deter = stoch * keep, deter * keep
            joint = tf.concat([self._activation(in_stoch(stoch, probes[0]) + action), deter], -1)
            deter = self._cell.gates(recur(joint, probes[1]), deter)
            hidden = self._activation(post_deter(deter, probes[2]) + embedding)
            parameters = self.latent.parameters(post_out(hidden, probes[3]))
            return LatentState(self._sample(parameters, seed), deter), parameters, joint, hidden

        def zeros(*shape: int, dtype: str = self.compute_dtype) -> tf.Tensor:
            return tf.zeros((batch, *shape), dtype)

        hidden_units = self._post_deter.units
        # The scan also returns the inputs of the layers, for the gradients of their weights.
        states, posterior, joint, hidden = tf.scan(
            step,
            (embedding, action, keep, seeds, [layer.probe for layer in dense]),
            (
                state,
                zeros(*self.latent.parameter_shape, dtype="float32"),
                zeros(hidden_units + self.units),
                zeros(hidden_units),
            ),
        )
        in_stoch.inputs = tf.concat([state.stoch[None], states.stoch[:-1]], 0) * keep
        recur.inputs, post_deter.inputs, post_out.inputs = joint, states.deter, hidden
        states = LatentState(*(_swap(x) for x in states))
        return states, _swap(posterior), self.prior(states.deter)

    def observe_step(
        self,
        embedding: tf.Tensor,
        action: tf.Tensor,
        is_first: tf.Tensor,
        state: LatentState,
        seed: tf.Tensor,
    ) -> LatentState:
        """Filters one step, as `observe` does in its loop.

        Args:
          embedding: [B, E].
          action: [B, A], led to the embedding.
          is_first: [B] bool.
          state: [B, ...] state of the previous step.
          seed: [2] int32, stateless.

        Returns:
          Posterior state [B, ...].
        """
        keep = 1.0 - tf.cast(is_first, self.compute_dtype)[:, None]
        action = self._in_action(tf.cast(action, self.compute_dtype) * keep)
        deter = self._recur(LatentState(state.stoch * keep, state.deter * keep), action)
        hidden = self._activation(self._post_deter(deter) + self._post_embedding(embedding))
        parameters = self.latent.parameters(self._post_out(hidden))
        return LatentState(self._sample(parameters, seed), deter)

    def imagine_step(self, state: LatentState, action: tf.Tensor, seed: tf.Tensor) -> LatentState:
        """Predicts one step with the prior.

        Args:
          state: [N, ...].
          action: [N, A], taken in that state.
          seed: [2] int32, stateless.

        Returns:
          The next state [N, ...].
        """
        action = self._in_action(tf.cast(action, self.compute_dtype))
        deter = self._recur(state, action)
        return LatentState(self._sample(self.prior(deter), seed), deter)

    def prior(self, deter: tf.Tensor) -> tf.Tensor:
        """Parameters of p(z | h): [..., D] -> [..., *parameter_shape] float32."""
        return self.latent.parameters(
            self._project(self._prior_out, self._project(self._prior_hidden, deter))
        )

    def features(self, state: LatentState) -> tf.Tensor:
        """What heads, actor and critic see: [..., latent size + D]."""
        return tf.concat([state.stoch, state.deter], -1)

    def _recur(self, state: LatentState, action: tf.Tensor) -> tf.Tensor:
        return self._cell(self._activation(self._in_stoch(state.stoch) + action), state.deter)

    def _sample(self, parameters: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        sample = self.latent.distribution(parameters).sample(seed=seed)
        return tf.cast(self.latent.flatten(sample), self.compute_dtype)

    @staticmethod
    def _project(layer: keras.layers.Dense, x: tf.Tensor) -> tf.Tensor:
        """Applies a Dense layer to the last axis as one matrix product, not one per step."""
        flat = layer(tf.reshape(x, [-1, x.shape[-1]]))
        return tf.reshape(flat, tf.concat([tf.shape(x)[:-1], [layer.units]], 0))


class LoopDense:
    """A Dense layer inside a loop whose weight gradient is one matrix product after the loop.

    Ordinary differentiation computes a matrix product with only B rows in every step, and adds
    each result to an array as large as the weights. That is slow. Here the weights are constants
    inside the loop, and the layer adds zeros (`probe`, one slice per step) to its outputs. The
    gradient of the zeros is the gradient of the outputs. From it and from `inputs`, which are set
    after the loop, the gradient of the weights follows for all steps at once.
    """

    def __init__(self, layer: keras.layers.Dense, steps: int, batch: int, dtype: str):
        """Reads the weights of a layer, once for the whole loop.

        Args:
          layer: built, with a bias and without an activation.
          steps: T.
          batch: B.
          dtype: precision of the loop.
        """
        self.inputs: Any = None  # [T, B, I], set after the loop
        self._kernel = tf.cast(layer.kernel.value, dtype)
        self._bias = tf.cast(layer.bias.value, dtype)
        shape = (steps, batch, layer.units)

        @tf.custom_gradient
        def zeros(kernel: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            def gradient(outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                inputs = tf.reshape(self.inputs, [-1, self.inputs.shape[-1]])
                outputs = tf.reshape(outputs, [-1, outputs.shape[-1]])
                return tf.matmul(inputs, outputs, transpose_a=True), wide_sum(outputs)

            return tf.zeros(shape, kernel.dtype), gradient

        self.probe = zeros(self._kernel, self._bias)  # [T, B, units]

    def __call__(self, inputs: tf.Tensor, probe: tf.Tensor) -> tf.Tensor:
        """One step: inputs [B, I], this step's slice of the probe [B, units] -> [B, units]."""
        kernel, bias = tf.stop_gradient(self._kernel), tf.stop_gradient(self._bias)
        return tf.matmul(inputs, kernel) + (bias + probe)


def _swap(x: tf.Tensor) -> tf.Tensor:
    """[B, T, ...] <-> [T, B, ...]."""
    return tf.transpose(x, [1, 0, *range(2, len(x.shape))])
