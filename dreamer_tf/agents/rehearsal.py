"""One update on made-up data, before anything is spent.

Wrong shapes and dtypes, too little memory and operations that a device cannot compile show
themselves in the first update. Without a rehearsal that is after the random start, which takes
50,000 agent steps with atari.gin.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf

from dreamer_tf.agents.learner import Learner
from dreamer_tf.agents.protocol import Rehearsal
from dreamer_tf.environments.interface import boxes
from dreamer_tf.errors import UserError
from dreamer_tf.replay.episode_replay import Sequences
from dreamer_tf.world_model.rssm import RSSM, LatentState


def rehearse(
    learner: Learner,
    observation_space: gymnasium.spaces.Dict,
    batch: Sequences,
    num_environments: int,
    repetitions: int,
) -> Rehearsal:
    """Makes updates and policy steps, and puts every weight, moment and counter back.

    Args:
      learner: is the same afterwards, but its functions are compiled.
      observation_space: observations by name.
      batch: B sequences of T steps, whatever they hold.
      num_environments: N, of the policy step.
      repetitions: how many updates and policy steps are timed after the first; 0 to only try.

    Raises:
      UserError: there is too little memory, XLA cannot compile the update, or a weight is made
        late or is not trained.
    """
    before = {name: variable.numpy() for name, variable in learner.variables().items()}
    observation = {
        key: np.zeros((num_environments, *box.shape), box.dtype)
        for key, box in boxes(observation_space).items()
    }
    state = learner.acting.initial_state(num_environments)
    begins = np.ones(num_environments, bool)
    try:
        with _sentences(learner.jit_compile):
            first = _seconds(lambda: _finish(learner.update(batch)))
            again = [_seconds(lambda: _finish(learner.update(batch))) for _ in range(repetitions)]
            # The first call compiles.
            policy = min(
                _seconds(lambda: learner.acting.step(observation, begins, state, 0, True))
                for _ in range(1 + 5 * repetitions)
            )
    except Exception as error:
        _refuse_late(set(learner.variables()) - set(before), error)
        raise
    finally:
        variables = learner.variables()
        for name, value in before.items():
            variables[name].assign(value)
    _refuse_late(set(variables) - set(before))
    _refuse_untouched(learner)
    _compare_recurrences(learner)
    return Rehearsal(first, min(again, default=first), policy)


def _refuse_late(names: set[str], error: Exception | None = None) -> None:
    """Refuses weights that did not exist when optimizers and checkpoints were made."""
    if names:
        raise UserError(
            f"The weight '{min(names)}' is made only when its part is called, so no optimizer has "
            "it: build its layer in the constructor of the part, as in layer.build(shape)."
        ) from error


def _refuse_untouched(learner: Learner) -> None:
    """Refuses weights that would keep their random values, because no loss reaches them."""
    for optimizer in learner.optimizers.values():
        if optimizer.untouched:
            raise UserError(
                f"No loss depends on the weight '{min(optimizer.untouched)}', so it would keep its "
                "random value: use its layer, leave it out, or set trainable = False of the layer."
            )


def _compare_recurrences(learner: Learner) -> None:
    """Refuses an RSSM of the user's whose functions do not follow one recurrent model.

    Training filters whole sequences with `observe`, acting goes step by step with `observe_step`,
    and imagination with `imagine_step`. Where they differ, nothing fails, and nothing is learned.
    """
    rssm = learner.world_model.rssm
    if type(rssm) is RSSM:
        return  # compared in the tests
    rng, batch, length = np.random.default_rng(0), 2, 3
    embedding, action = (
        tf.constant(rng.normal(size=(batch, length, size)), rssm.compute_dtype)
        for size in (learner.world_model.encoder.size, learner.encoding.size)
    )
    is_first, seed = tf.constant([[True] + [False] * (length - 1)] * batch), tf.constant([0, 0])
    states, *_ = rssm.observe(embedding, action, is_first, rssm.initial(batch), seed)
    before = LatentState(*(part[:, 0] for part in states))
    expected = states.deter[:, 1].numpy()
    filtered = rssm.observe_step(embedding[:, 1], action[:, 1], is_first[:, 1], before, seed)
    imagined = rssm.imagine_step(before, action[:, 1], seed)
    coarse = 1e-3 if rssm.compute_dtype == "float32" else 5e-2
    for name, found in (("observe_step", filtered), ("imagine_step", imagined)):
        if not np.allclose(found.deter.numpy(), expected, coarse, coarse):
            raise UserError(
                f"WorldModel.rssm: {type(rssm).__name__}.observe and .{name} make different "
                "recurrent states from the same data, so the policy would use another model than "
                "the one that is trained: override all functions that use the recurrent model."
            )


def _finish(metrics: dict[str, tf.Tensor]) -> None:
    """Waits for the device."""
    for value in metrics.values():
        value.numpy()


def _seconds(function: Callable[[], Any]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


@contextlib.contextmanager
def _sentences(jit_compile: bool) -> Iterator[None]:
    """Turns what a user can change into a sentence."""
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise UserError(
            "An update does not fit into memory: lower EpisodeReplay.batch_size, "
            "EpisodeReplay.sequence_length or the sizes of the networks, as in "
            "base/small_model.gin."
        ) from error
    except tf.errors.OpError as error:
        if not jit_compile:
            raise
        raise UserError(
            f"XLA cannot compile the update ({str(error.message).splitlines()[0]}): set "
            "Learner.jit_compile = False."
        ) from error
    except Exception as error:
        # AutoGraph raises another exception in the place of ours.
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, UserError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        raise UserError(cause.sentence) from error
