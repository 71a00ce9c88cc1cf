"""The decorator: every value is checked when an object is made, wherever it comes from."""

import inspect

import gin
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import launch  # noqa: F401 - registers all with gin
from dreamer_tf.settings.configurable import configurable, parameters
from dreamer_tf.settings.types import PositiveInt
from tests.helpers import bind


@configurable(denylist=["name"])
class Boat:
    """A class with checked sails."""

    def __init__(self, name: PositiveInt, sails: PositiveInt = 2, *, flag: str | None = None):
        self.name, self.sails, self.flag = name, sails, flag


@configurable
def row(oars: PositiveInt = gin.REQUIRED):
    return oars


@pytest.mark.parametrize(
    "binding,sentence",
    [
        ("Boat.sails=0", "Boat.sails is 0, but must be a whole number of 1 or more."),
        ("Boat.flag=7", "Boat.flag is 7, but must be text in quotes or None."),
    ],
)
def test_a_bound_value_is_checked(binding, sentence):
    bind(binding)
    with pytest.raises(UserError) as error:
        Boat("Albatross")
    assert error.value.sentence == sentence


def test_a_value_from_python_is_checked_and_what_gin_may_not_set_is_not():
    assert Boat("Albatross", 1).name == "Albatross"
    with pytest.raises(UserError, match=r"Boat\.sails is -1,"):
        Boat("Albatross", sails=-1)


def test_the_scope_of_a_value_is_named():
    bind("small/Boat.sails=0")
    with gin.config_scope("small"), pytest.raises(UserError, match=r"small/Boat\.sails is 0"):
        Boat("Albatross")


def test_functions_are_checked_and_gin_names_what_is_missing():
    assert row(2) == 2
    with pytest.raises(UserError, match=r"row\.oars is 'two'"):
        row("two")
    with pytest.raises(RuntimeError, match="Required bindings"):
        row()
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        Boat()


def _ours():
    for selector, registered in sorted(gin.config._REGISTRY.items()):
        target = registered.wrapped
        if target.__module__.startswith("dreamer_tf."):
            yield selector, registered, target


def test_every_configurable_of_this_package_has_an_explicit_module():
    found = {selector for selector, *_ in _ours()}
    assert len(found) > 25
    assert all(selector == f"dreamer_tf.{selector.split('.')[1]}" for selector in found)


def test_every_parameter_that_gin_may_set_has_a_type_with_bounds():
    """`float` and `int` alone accept every number, so each use must be meant."""
    unbounded = set()
    for _, registered, target in _ours():
        function = target.__init__ if inspect.isclass(target) else target
        denied = registered.denylist or []
        kinds = parameters(function, denied)
        named = inspect.signature(function).parameters.values()
        for parameter in named:
            variable = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
            if parameter.name not in ("self", *denied) and not variable:
                assert parameter.name in kinds, f"{registered.name}.{parameter.name}"
        unbounded |= {
            f"{registered.name}.{name}" for name, kind in kinds.items() if kind in (int, float)
        }
    assert unbounded == {
        "Actor.initial_std",  # before a softplus
        *(f"linear_schedule.{name}" for name in ("initial", "final")),
        "warmup_schedule.value",
        # Rewards may have any sign and size.
        *("TransformReward.scale", "TransformReward.offset"),
        *("ClipReward.min_reward", "ClipReward.max_reward"),
        *(f"exponential_schedule.{name}" for name in ("initial", "final")),
    }


def test_no_name_is_ambiguous():
    """A name in a gin file must mean one thing, also where Dopamine's modules are imported."""
    names = [selector.rpartition(".")[2] for selector, _ in gin.config._REGISTRY.items()]
    ours = {selector.rpartition(".")[2] for selector, *_ in _ours()}
    # Dopamine has one, too: gin files write it with its module.
    assert {name for name in ours if names.count(name) > 1} <= {"create_agent"}
