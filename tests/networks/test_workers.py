"""What workers exchange, and what happens where one of them does not answer."""

import threading

import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.networks import workers
from dreamer_tf.networks.workers import Workers, WorkersLost, losses_told, patiently


def test_a_process_of_its_own_is_a_group_of_one():
    alone = Workers()
    assert alone.alone and alone.seed(7) == 7
    np.testing.assert_array_equal(alone.gather(np.array([1.0, 2.0])), [[1.0, 2.0]])


def test_every_worker_has_seeds_of_its_own_and_the_chief_that_of_the_run():
    seeds = [Workers(index, 4).seed(seed) for seed in (0, 1) for index in range(4)]
    assert seeds[0] == 0 and seeds[4] == 1 and len(set(seeds)) == 8
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_worker_that_does_not_answer_is_given_up():
    release = threading.Event()
    with pytest.raises(WorkersLost, match="no answer in 0 seconds"):
        patiently(release.wait, 0.05)
    release.set()
    assert patiently(lambda: 3) == 3

    def fail():
        raise tf.errors.UnavailableError(None, None, "it is gone\nand more")

    with pytest.raises(WorkersLost, match=r"^UnavailableError: it is gone$"):
        patiently(fail)
    with pytest.raises(ZeroDivisionError):
        patiently(lambda: 1 // 0)


def test_errors_are_those_of_other_workers_only_in_a_group(monkeypatch):
    error = tf.errors.AbortedError(None, None, "gone")
    with pytest.raises(tf.errors.AbortedError), losses_told():
        raise error
    monkeypatch.setattr(workers, "_chosen", Workers(0, 2))
    with pytest.raises(WorkersLost, match=r"^AbortedError: gone$"), losses_told():
        raise error
    in_a_graph = tf.errors.UnavailableError(None, None, "Graph execution error:\n\na traceback")
    with pytest.raises(WorkersLost, match=r"^UnavailableError$"), losses_told():
        raise in_a_graph
    with pytest.raises(tf.errors.ResourceExhaustedError), losses_told():
        raise tf.errors.ResourceExhaustedError(None, None, "memory")
