"""The devices that make an update together: data parallelism with tf.distribute.

Every replica has all weights and computes the gradients of its part of the batch. What decides
about an update (gradients, their norm, whether they are finite) is averaged first, so all replicas
make the same step and stay equal bit for bit:

    batch [B, ...]  ->  replica r: [B / replicas, ...]  ->  gradients  ->  mean  ->  same step

A single device is one replica. Then nothing here adds an operation to the graph.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.networks import workers

_chosen: tf.distribute.Strategy | None = None


def use(strategy: tf.distribute.Strategy | None, group: workers.Workers | None = None) -> None:
    """Makes agents of this process that are built from now on use a strategy.

    Args:
      strategy: of the devices; None for a single one.
      group: the workers that share it; None for a process of its own.
    """
    global _chosen
    _chosen = strategy
    workers.use(group or workers.Workers())


def current() -> tf.distribute.Strategy:
    """The strategy of learners that are built now; TensorFlow's default has one replica."""
    return _chosen or tf.distribute.get_strategy()


def local_count(strategy: tf.distribute.Strategy) -> int:
    """Replicas of this process; with several workers the others have the same number."""
    if strategy.num_replicas_in_sync == 1:
        return 1
    return len(strategy.extended.worker_devices)


def check_divisible(batch_size: int, count: int) -> None:
    """Checks that every replica gets the same number of sequences.

    Args:
      batch_size: B, sequences of the global batch.
      count: number of replicas.

    Raises:
      UserError: B is no multiple of it.
    """
    if batch_size % count:
        lower, upper = batch_size // count * count, -(-batch_size // count) * count
        near = f"{lower} or {upper}" if lower else f"{upper}"
        raise UserError(
            f"EpisodeReplay.batch_size is {batch_size}, but {count} replicas share the batch: set "
            f"it to a multiple of {count}, as {near}, or change the number of devices or workers."
        )


def run(
    strategy: tf.distribute.Strategy, function: Callable[[Any], dict[str, tf.Tensor]], batch: Any
) -> dict[str, tf.Tensor]:
    """Calls a function on every replica; to be used inside of a compiled function.

    Args:
      strategy: of the replicas.
      function: takes the part of a replica, and returns the same on all replicas.
      batch: as `split` returns it.

    Returns:
      What the function returned.
    """
    if strategy.num_replicas_in_sync == 1:
        return function(batch)
    results = strategy.run(function, args=(batch,))
    return {name: strategy.experimental_local_results(x)[0] for name, x in results.items()}


def split(strategy: tf.distribute.Strategy, batch: Any) -> Any:
    """Gives every replica its part of a batch, on its own device.

    Args:
      strategy: of the replicas.
      batch: a structure of arrays [B, ...]; B is a multiple of the number of replicas. With
        several workers, what this one has sampled for its own replicas.

    Returns:
      The same structure of values of tf.distribute; the batch itself for one replica.
    """
    if strategy.num_replicas_in_sync == 1:
        return batch
    devices = strategy.extended.worker_devices

    def part(context: tf.distribute.experimental.ValueContext) -> Any:
        count = len(devices)
        replica = context.replica_id_in_sync_group % count  # its number in this process

        def slice_of(array: Any) -> tf.Tensor:
            size = len(array) // count
            return tf.convert_to_tensor(array[replica * size : (replica + 1) * size])

        # Directly to its device, instead of the whole batch to the first one.
        with tf.device(devices[replica]):
            return tf.nest.map_structure(slice_of, batch)

    return strategy.experimental_distribute_values_from_function(part)


def mean(tensors: Any) -> Any:
    """Averages over the replicas; differentiable.

    To be called by all replicas alike, and not inside of a branch or loop. Elsewhere, and on one
    replica, it returns its argument.

    Args:
      tensors: a structure of tensors, the same on all replicas.

    Returns:
      The same structure, with equal values on all replicas.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tensors
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, tensors)


def mean_of_scalars(values: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Averages scalars over the replicas, all with one message.

    Args:
      values: float32 scalars by name.

    Returns:
      Their means by name.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return values
    means = tf.unstack(mean(tf.stack(list(values.values()))))
    return dict(zip(values, means, strict=True))


def fold_replica(seed: tf.Tensor) -> tf.Tensor:
    """Gives every replica a seed of its own; the first one keeps the seed.

    Without it all replicas would draw the same noise for different data.

    Args:
      seed: [2] int32, stateless.

    Returns:
      [2] int32.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return seed
    replica = tf.cast(context.replica_id_in_sync_group, tf.int32)
    return tf.where(tf.equal(replica, 0), seed, tf.random.fold_in(seed, replica))
