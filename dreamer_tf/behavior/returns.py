"""Pure functions over imagined trajectories. Axis 0 is time."""

import tensorflow as tf


def lambda_return(
    reward: tf.Tensor,
    value: tf.Tensor,
    discount: tf.Tensor,
    bootstrap: tf.Tensor,
    lambda_: float,
) -> tf.Tensor:
    """Lambda-returns (eq. 4).

        G[t] = reward[t] + discount[t] * ((1 - lambda) * value[t + 1] + lambda * G[t + 1])

    for t = 0 .. H-1, with value[H] = G[H] = bootstrap.

    Args:
      reward: [H, ...] reward at each state.
      value: [H, ...] value of each state.
      discount: [H, ...] discount at each state.
      bootstrap: [...] value of the state after the last.
      lambda_: lambda, 0 for one-step targets and 1 for the discounted sum (Table D1: 0.95).

    Returns:
      [H, ...] float32.

    Raises:
      ValueError: shapes do not match, or a dtype is not float32.
    """
    for name, array in (("reward", reward), ("value", value), ("discount", discount)):
        if array.dtype != tf.float32 or array.shape != reward.shape:
            raise ValueError(
                f"lambda_return: {name} is {array.dtype.name} {array.shape}, but must be float32 "
                f"{reward.shape} like the reward."
            )
    if bootstrap.shape != reward.shape[1:]:
        raise ValueError(
            f"lambda_return: bootstrap is {bootstrap.shape}, but must be {reward.shape[1:]}."
        )
    following = tf.concat([value[1:], bootstrap[None]], 0)  # value[t + 1], [H, ...]
    inputs = reward + discount * (1.0 - lambda_) * following
    returns = []
    accumulated = bootstrap
    # H is small and known, so the loop is unrolled when it is compiled.
    for t in reversed(range(reward.shape[0])):
        accumulated = inputs[t] + discount[t] * lambda_ * accumulated
        returns.append(accumulated)
    return tf.stack(returns[::-1], 0)


def cumulative_weights(discount: tf.Tensor) -> tf.Tensor:
    """How much each state counts: the discounted probability of reaching it (paper 2.2).

    Args:
      discount: [H, ...] discount at each state.

    Returns:
      [H, ...]: 1, d[0], d[0] d[1], ...: the product of the discounts BEFORE each state.
    """
    return tf.math.cumprod(tf.concat([tf.ones_like(discount[:1]), discount[:-1]], 0), axis=0)
