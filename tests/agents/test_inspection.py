"""Looks at the world model: what they return, and that they change nothing."""

import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.agents.inspection import inspect_stored
from tests.replay.replays import add_episode, make
from tests.small_models import configure, make_learner, sequences


def one_episode(**settings):
    found = sequences(**settings)
    first = np.zeros_like(found.is_first)
    first[:, 0] = True
    return found._replace(is_first=first)


def test_an_inspection_has_predictions_and_distributions_of_every_step():
    configure()
    learner = make_learner(images=True)
    found = learner.inspector.inspect(one_episode(images=True), 2)
    assert found.dream.context == 2
    assert set(found.dream.truth) == set(found.dream.prediction) == {"image", "vector"}
    assert found.dream.prediction["image"].shape == (3, 6, 64, 64, 1)
    for name, values in found.distributions.items():
        assert values.shape == (3, 6) and np.isfinite(values).all(), name
    assert {"kl", "value", "predicted_reward", "actor_entropy"} <= set(found.distributions)


@pytest.mark.parametrize(
    ("stored", "length", "context", "expected"),
    [(20, 6, 5, (6, 5)), (20, 6, 2, (6, 2)), (4, 6, 5, (3, 1)), (4, 6, 1, (3, 1)), (1, 6, 2, None)],
)
def test_only_a_sequence_that_was_shortened_has_a_shorter_context(
    tmp_path, stored, length, context, expected
):
    replay, seen = make(tmp_path), []
    add_episode(replay, stored)

    class Recorder:
        def inspect(self, sequences, context):
            seen.append((sequences.reward.shape[1], context))
            return seen

    found = inspect_stored(Recorder(), replay, length, context, seed=0)
    assert (found and seen[0]) == expected


def test_looking_changes_no_weight_and_no_later_update():
    configure()
    results = []
    for looks in (False, True):
        learner = make_learner()
        learner.update(sequences())
        if looks:
            learner.inspector.inspect(one_episode(), 2)
        learner.update(sequences(seed=1))
        results.append({name: value.numpy() for name, value in learner.variables().items()})
    for name, value in results[0].items():
        np.testing.assert_array_equal(value, results[1][name], err_msg=name)


def test_images_are_scaled_and_vectors_are_not():
    configure()
    learner = make_learner(images=True)
    image, vector = np.full((2, 64, 64, 1), 255, np.uint8), np.full((2, 3), 7.0, np.float32)
    found = learner.inspector.preprocess({"image": image, "vector": vector})
    np.testing.assert_allclose(found["image"], 0.5)
    np.testing.assert_array_equal(found["vector"], vector)


def test_a_dream_step_takes_the_action_of_its_state():
    configure()
    learner = make_learner()
    state = learner.acting.initial_state(1)
    outcomes = []
    for action in (0, 2):
        chosen = learner.inspector.with_action(state, action)
        assert int(np.argmax(chosen.action)) == action
        outcomes.append(learner.inspector.dream_step(chosen, 0, seed=1)[1].latent.deter)
    assert not np.array_equal(*outcomes)


def test_a_dream_repeats_with_its_seed_and_the_next_action_is_the_environments():
    configure()
    learner = make_learner()
    state = learner.acting.initial_state(1)
    first, second, other = (learner.inspector.dream_step(state, 3, seed) for seed in (1, 1, 2))
    assert isinstance(first[0], int) and first[0] == second[0]
    assert all(
        np.array_equal(a, b)
        for a, b in zip(tf.nest.flatten(first[1]), tf.nest.flatten(second[1]), strict=True)
    )
    assert not np.array_equal(first[1].latent.stoch, other[1].latent.stoch)


def test_a_reconstruction_has_the_shape_of_one_observation():
    configure()
    learner = make_learner(images=True)
    found = learner.inspector.reconstruct(learner.acting.initial_state(1))
    assert {key: value.shape for key, value in found.items()} == {
        "image": (64, 64, 1),
        "vector": (3,),
    }
