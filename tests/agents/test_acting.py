"""The policy step: its copy of the weights, its state, exploration and evaluation."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.agents.learner import Learner
from dreamer_tf.environments.factored import FactoredActions
from dreamer_tf.errors import UserError
from dreamer_tf.networks import layers
from dreamer_tf.networks.schedules import linear_schedule
from dreamer_tf.world_model.world_model import WorldModel
from tests.small_models import configure, make_learner, sequences
from tests.small_models import settings as small_settings

N = 3
BOX = gymnasium.spaces.Box(-1.0, 1.0, (2,))


def observation(seed=0, size=N):
    return {"vector": np.random.default_rng(seed).normal(size=(size, 3)).astype(np.float32)}


def step(learner, state=None, first=True, counter=0, explore=True, seed=0):
    acting = learner.acting
    return acting.step(
        observation(seed),
        np.full(N, first),
        acting.initial_state(N) if state is None else state,
        counter,
        explore,
    )


def equal(left, right):
    return all(
        np.array_equal(a, b)
        for a, b in zip(tf.nest.flatten(left), tf.nest.flatten(right), strict=True)
    )


def test_the_policy_acts_with_its_copy_until_it_is_renewed():
    """Otherwise an update in another thread would change weights under the policy."""
    configure()
    learner = make_learner()
    before = step(learner)
    for variable in learner.world_model.encoder.variables:
        variable.assign(variable.value * 3.0)
    assert equal(step(learner), before)
    learner.acting.refresh()
    assert not equal(step(learner)[1], before[1])


def test_an_update_does_not_reach_the_policy_before_refresh():
    configure()
    learner = make_learner()
    before = step(learner)
    learner.update(sequences())
    assert equal(step(learner), before)


def test_is_first_resets_state_and_action():
    configure()
    learner = make_learner()
    _, used = step(learner)
    fresh = step(learner, counter=1, seed=1)
    assert equal(step(learner, used, first=True, counter=1, seed=1), fresh)
    assert not equal(step(learner, used, first=False, counter=1, seed=1)[1], fresh[1])


def test_environments_of_one_batch_do_not_influence_each_other():
    """The evaluation's mode of one environment does not depend on the others' observations."""
    configure()
    learner = make_learner()
    acting, found = learner.acting, observation()
    other = {"vector": found["vector"].copy()}
    other["vector"][1:] += 5.0
    states = [
        acting.step(each, np.ones(N, bool), acting.initial_state(N), 0, False)[1]
        for each in (found, other)
    ]
    np.testing.assert_allclose(states[0].latent.deter[0], states[1].latent.deter[0], atol=1e-6)


def test_every_counter_draws_other_numbers_and_repeats_its_own():
    configure()
    learner = make_learner()
    first = [step(learner, counter=counter)[1].latent.stoch for counter in range(6)]
    again = [step(learner, counter=counter)[1].latent.stoch for counter in range(6)]
    assert equal(first, again)
    assert not all(equal(first[0], other) for other in first[1:])


def test_the_evaluation_takes_the_mode_unless_samples_are_asked_for():
    configure()
    learner = make_learner()
    actions = {int(action) for counter in range(40) for action in step(learner, counter=counter)[0]}
    assert len(actions) > 1  # while training, actions are sampled
    with pytest.raises(UserError, match=r"Learner\.evaluation_action is 'best'"):
        make_learner(evaluation_action="best")


@pytest.mark.parametrize("noise,changed", [(0.0, False), (1.0, True)])
def test_exploration_noise_changes_actions_while_training_only(noise, changed):
    configure()
    plain = make_learner(action_space=BOX)
    noisy = make_learner(action_space=BOX, exploration_noise=noise)
    assert (not np.array_equal(step(plain)[0], step(noisy)[0])) == changed
    assert np.abs(step(noisy)[0]).max() <= 1.0
    np.testing.assert_array_equal(step(plain, explore=False)[0], step(noisy, explore=False)[0])


def test_a_probability_of_random_actions_is_at_most_1():
    configure()
    make_learner(action_space=BOX, exploration_noise=1.5)  # a standard deviation
    schedule = linear_schedule(initial=0.0, final=1.5, steps=10)
    for noise in (1.5, schedule):
        with pytest.raises(UserError, match=r"Learner\.exploration_noise is .*1\.5.* from 0 to 1"):
            make_learner(action_space=gymnasium.spaces.Discrete(5), exploration_noise=noise)


def test_exploration_noise_follows_the_update_of_the_weights_that_act():
    configure()
    schedule = linear_schedule(initial=0.5, final=0.0, steps=2)
    plain, noisy = (make_learner(action_space=BOX, exploration_noise=n) for n in (0.0, schedule))
    data = sequences()
    data = data._replace(action=np.zeros((*data.reward.shape, 2), np.float32))
    sizes = []
    for _ in range(3):
        sizes.append(np.abs(step(noisy)[0] - step(plain)[0]).max())
        for learner in (plain, noisy):
            learner.update(data)
        # The policy acts with the old weights until it is told, so with the old noise.
        assert np.abs(step(noisy)[0] - step(plain)[0]).max() == sizes[-1]
        plain.acting.refresh()
        noisy.acting.refresh()
    assert sizes[0] > sizes[1] > sizes[2] == 0.0


def test_discrete_noise_is_the_share_of_random_actions():
    configure()
    learner = make_learner(action_space=gymnasium.spaces.Discrete(5), exploration_noise=0.5)
    one_hot = tf.one_hot(tf.fill([4000], 2), 5)
    seeds = tf.constant([[1, 2], [3, 4]])
    noisy = np.argmax(learner.acting._add_noise(one_hot, tf.constant(0.5), seeds), -1)
    # A random action is the old one in a fifth of the cases.
    assert np.mean(noisy == 2) == pytest.approx(0.5 + 0.5 / 5, abs=0.03)


def test_an_unknown_device_is_named_with_those_that_exist():
    configure()
    with pytest.raises(UserError, match=r"Learner\.policy_device is '/GPU:7'.*/CPU:0"):
        make_learner(policy_device="/GPU:7")


def test_each_batch_size_is_compiled_once():
    configure()
    acting = make_learner().acting
    assert acting.compiled(True, 2) is acting.compiled(True, 2)
    assert acting.compiled(True, 2) is not acting.compiled(True, 3)
    assert acting.compiled(True, 2) is not acting.compiled(False, 2)


FACTORED = FactoredActions([3, 2], 1)
MASKED = gymnasium.spaces.Dict(
    {
        "vector": gymnasium.spaces.Box(-1, 1, (3,), np.float32),
        "action_mask": gymnasium.spaces.Box(0, 1, (5,), np.dtype(bool)),
    }
)


@pytest.mark.parametrize("explore", [True, False])
def test_acting_respects_the_mask_also_with_noise(explore):
    configure("Learner.exploration_noise=0.9")
    learner = Learner(MASKED, FACTORED, seed=0)
    mask = np.array([[True, False, True, False, True]] * 200)
    seen = {**observation(size=200), "action_mask": mask}
    state, first = learner.acting.initial_state(200), np.ones(200, bool)
    actions, _ = learner.acting.step(seen, first, state, 0, explore)
    assert all(map(FACTORED.contains, actions))
    assert set(actions[:, 0]) <= {0, 2} and set(actions[:, 1]) == {1}
    if explore:  # nine of ten choices are random ones
        assert set(actions[:, 0]) == {0, 2} and len(set(actions[:, 2])) > 100


def test_imagination_takes_the_predicted_mask():
    """And its losses take the masks that were there when the actions were drawn."""
    configure("ActorCritic.entropy_in_returns=True")
    learner = Learner(MASKED, FACTORED, seed=0)
    model, behavior = learner.world_model, learner.actor_critic
    logits = model._mask_head._heads["logits"]
    logits.bias.assign([9.0, -9.0, 9.0, -9.0, 9.0])
    start = model.rssm.initial(64)
    update = tf.constant(0, tf.int64)
    trajectory = behavior.imagine(model, start, tf.zeros([64], tf.bool), [1, 2], update)
    assert trajectory.masks[0].shape == (3, 64, 5) and trajectory.action.shape == (3, 64, 6)
    np.testing.assert_array_equal(tf.reduce_sum(trajectory.action, [0, 1])[1::2][:2], 0.0)
    value, target = behavior.values_and_targets(trajectory, update)
    loss, entropy = behavior.actor_loss(trajectory, value, target, update)
    assert np.isfinite(loss) and np.isfinite(entropy).all() and np.abs(loss) < 1e3


def test_the_mask_is_learned_by_a_head_of_its_own():
    configure("world_model/Optimizer.learning_rate=0.01")
    learner = Learner(MASKED, FACTORED, seed=0)
    assert learner.world_model.decoder.keys == ["vector"]
    batch = sequences()
    mask = np.broadcast_to([True, False, True, False, True], (*batch.reward.shape, 5)).copy()
    batch = batch._replace(
        observation={**batch.observation, "action_mask": mask},
        action=np.zeros((*batch.reward.shape, 3), np.float32),
    )
    losses = [float(learner.update(batch)["action_mask_loss"]) for _ in range(40)]
    assert losses[-1] < 0.5 * losses[0]


class Normalizing(WorldModel):
    """Preprocesses with a weight of its own."""

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.norm = layers.dense(3, 3, name="norm", **small_settings())


def test_the_policy_has_copies_of_all_that_it_may_use():
    """Only those of encoder, RSSM and actor were copied, so an update changed others meanwhile."""
    configure()
    learner = make_learner(world_model=Normalizing)
    copied = {id(variable) for variable in learner.acting._sources}
    model = learner.world_model
    for part in (model.encoder, model.rssm, learner.actor_critic.actor, model.norm):
        used = part.variables
        assert used and all(id(variable) in copied for variable in used)
    for part in (model.decoder, model._reward, model._discount_head):
        assert not any(id(variable) in copied for variable in part.variables)
