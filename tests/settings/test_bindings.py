"""Checks of all bindings: values before anything is made, and effects once it has been."""

import gin
import pytest

from dreamer_tf.agents.learner import Learner
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files
from dreamer_tf.settings import bindings
from tests.gin_configs.learners import SPACE
from tests.helpers import TINY, bind


@pytest.mark.parametrize(
    "binding,words",
    [
        ("WorldModel.kl_scale='big'", "WorldModel.kl_scale is 'big', but must be a number of 0 or"),
        ("ActorCritic.horizon=15.5", "ActorCritic.horizon is 15.5, but must be a whole number"),
        ("EpisodeReplay.batch_size=0", "EpisodeReplay.batch_size is 0, but must be a whole"),
        (
            "Runner.training_steps=-5",
            "Runner.training_steps is -5, but must be a whole number of",
        ),
        ("Runner.num_iterations=2.5", "Runner.num_iterations is 2.5,"),
        ("DreamerRunner.checkpoints_kept=-1", "DreamerRunner.checkpoints_kept is -1,"),
        ("configure_devices.cpu_threads=-2", "configure_devices.cpu_threads is -2,"),
        ("WorldModel.discount=2", "WorldModel.discount is 2, but must be a number from 0 to 1"),
        ("Optimizer.clip=-1.0", "Optimizer.clip is -1.0, but must be a number of 0 or more"),
        ("actor/Optimizer.learning_rate=-1", "actor/Optimizer.learning_rate is -1,"),
        ("Encoder.kernels=(4, 'x')", "Encoder.kernels is (4, 'x'), but must be a tuple in which"),
        ("AtariEnvironment.preset='machado'", "but must be 'machado2018', 'nature2015' or"),
        ("JaxDQNAgent.gamma=1.5", "JaxDQNAgent.gamma is 1.5, but must be a number from 0 to 1"),
        ("Learner.jit_compile='yes'", "Learner.jit_compile is 'yes', but must be True or False"),
    ],
)
def test_a_bad_value_is_named_when_the_file_is_read(binding, words):
    with pytest.raises(UserError) as error:
        gin_files.parse(["atari.gin"], [binding])
    assert words in error.value.sentence


def test_references_are_left_until_they_are_made():
    gin_files.parse(
        ["atari.gin"],
        [
            "WorldModel.kl_scale=@dreamer_tf.linear_schedule()",
            "linear_schedule.initial=1.0",
            "linear_schedule.final=0.1",
            "linear_schedule.steps=10",
        ],
    )
    with pytest.raises(UserError, match=r"linear_schedule\.steps is 0"):
        bind("linear_schedule.steps=0")
        bindings.check_values()


@pytest.mark.parametrize("path", gin_files.shipped_files(), ids=lambda path: path.name)
def test_the_values_of_every_shipped_file_are_checked(path):
    """Whatever a shipped file binds has a type here, Dopamine's parameters too."""
    gin_files.parse([str(path)])
    for _, selector, parameter, _ in bindings._bound():
        assert parameter in bindings._kinds(selector), f"{selector}.{parameter}"


def make_learner(*settings):
    gin_files.parse(["atari.gin"], [*TINY, *settings])
    Learner(SPACE, gin.get_configurable("Catch")().action_space, seed=0)


def test_a_value_that_scopes_hide_is_refused_with_their_names():
    make_learner("Optimizer.learning_rate=5e-3")
    with pytest.raises(UserError) as error:
        bindings.check_effects()
    names = [f"{part}/Optimizer.learning_rate" for part in ("actor", "critic", "world_model")]
    assert error.value.sentence == (
        f"Optimizer.learning_rate = 0.005 has no effect, because {' and '.join(names)} are set: "
        f"set {' and '.join(names)} instead."
    )


def test_a_value_that_acts_somewhere_is_accepted():
    make_learner("reward/MLP.units=9", "Optimizer.clip=3.0", "actor/Optimizer.clip=2.0")
    bindings.check_effects()
