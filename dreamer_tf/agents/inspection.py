"""Looking at the world model: what it predicts, and how it sees stored sequences.

Nothing here changes a weight or a random stream of the training.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from dreamer_tf.agents.acting import PolicyState
from dreamer_tf.agents.encoding import ActionEncoding
from dreamer_tf.agents.randomness import Stream, fold_seed
from dreamer_tf.behavior.actor_critic import ActorCritic
from dreamer_tf.networks.tracing import Traced
from dreamer_tf.open_loop.prediction import Inspection, OpenLoop
from dreamer_tf.replay.episode_replay import EpisodeReplay, Sequences
from dreamer_tf.world_model.world_model import WorldModel

_SEQUENCES = 4


class Inspector:
    """Predictions of a world model and its actor and critic, as NumPy arrays."""

    def __init__(
        self,
        world_model: WorldModel,
        actor_critic: ActorCritic,
        encoding: ActionEncoding,
        *,
        updates: tf.Variable,
        seed: int,
    ):
        """Stores what it looks at; nothing is compiled yet.

        Args:
          world_model: to look at.
          actor_critic: to look at.
          encoding: of the environment's actions.
          updates: number of updates so far; schedules and random numbers follow it.
          seed: of the run.
        """
        self._world_model = world_model
        self._actor_critic = actor_critic
        self._encoding = encoding
        self._updates = updates
        self._seed = seed
        self._functions: dict[int, Traced] = {}  # by context
        self._decode = Traced(lambda latent: world_model.decode(latent))

    def inspect(self, sequences: Sequences, context: int) -> Inspection:
        """Open-loop predictions of a batch, and distributions of what the networks say about it.

        Args:
          sequences: of more than `context` steps; every new size is compiled again.
          context: number of observations that the open-loop prediction starts from.

        Returns:
          Predictions and distributions.
        """
        if context not in self._functions:
            self._functions[context] = Traced(lambda sequences: self._inspect(sequences, context))
        truth, prediction, distributions = tf.nest.map_structure(
            lambda tensor: tensor.numpy(), self._functions[context](sequences)
        )
        return Inspection(OpenLoop(truth, prediction, context), distributions)

    def preprocess(self, observation: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Observations as the model sees them, of any leading shape."""
        tensors = {key: tf.convert_to_tensor(value) for key, value in observation.items()}
        processed = self._world_model.preprocess_observation(tensors)
        return {key: value.numpy() for key, value in processed.items()}

    def reconstruct(self, state: PolicyState) -> dict[str, np.ndarray]:
        """What the model expects to see in the state of one environment, by name."""
        return {key: value[0].numpy() for key, value in self._decode(state.latent).items()}

    def with_action(self, state: PolicyState, action: Any) -> PolicyState:
        """The state of one environment with another last action."""
        return state._replace(action=self._encoding.encode(tf.convert_to_tensor(action)[None]))

    def dream_step(
        self, state: PolicyState, counter: int, seed: int, mask: np.ndarray | None = None
    ) -> tuple[Any, PolicyState]:
        """One imagined step of one environment.

        Args:
          state: holds the action that is taken in it.
          counter: number of the step, different for every call.
          seed: of the dream.
          mask: which actions are allowed; None for what the model predicts.

        Returns:
          The mode of the actor in the imagined state, and that state with this action.
        """
        seeds = fold_seed(self._seed, Stream.DREAM, tf.constant(counter)) + seed
        rssm = self._world_model.rssm
        latent = rssm.imagine_step(state.latent, state.action, seeds)
        features = rssm.features(latent)
        predicted = self._world_model.action_mask(features)
        allowed = predicted if mask is None or predicted is None else tf.constant(mask[None])
        policy = self._actor_critic.actor(features, allowed)
        action = tf.cast(policy.mode(), tf.float32)
        chosen = self._encoding.decode(action)[0].numpy()
        # Gymnasium's Discrete spaces take a plain int.
        return (int(chosen) if self._encoding.discrete else chosen), PolicyState(latent, action)

    def _inspect(self, sequences: Sequences, context: int) -> tuple[dict[str, tf.Tensor], ...]:
        seeds = tf.random.split(fold_seed(self._seed, Stream.DREAM, self._updates), 2)
        batch = self._encoding.batch(sequences)
        model, behavior = self._world_model, self._actor_critic
        truth, prediction = model.open_loop(batch, seeds[0], context)
        _, outputs = model.loss(batch, seeds[1], self._updates)
        features = model.rssm.features(outputs.posterior)
        distribution = model.rssm.latent.distribution
        found = {
            "kl": outputs.kl,
            "posterior_entropy": distribution(outputs.posterior_parameters).entropy(),
            "prior_entropy": distribution(outputs.prior_parameters).entropy(),
            "reward": model.preprocess(batch).reward,
            "predicted_reward": model.reward(features),
            "predicted_discount": model.discount(features, self._updates),
            "value": behavior.value(features),
            "actor_entropy": behavior.actor(features, model.action_mask(features)).entropy(),
        }
        return truth, prediction, found


def inspect_stored(
    inspector: Inspector, replay: EpisodeReplay, length: int, context: int, seed: int
) -> Inspection | None:
    """Looks at a few stored sequences; arguments as for `Agent.inspect`.

    Where all episodes are shorter than `length`, half of it is tried, a quarter, and so on.
    """
    # Newly seeded: looking must not advance the random numbers of the training.
    context = min(context, length - 1)
    while length >= 2:
        sequences = replay.whole_sequences(_SEQUENCES, length, np.random.default_rng(seed))
        if sequences is not None:
            return inspector.inspect(sequences, context)
        length //= 2
        context = min(context, length // 2)
    return None
