"""What fits a type, and how a type is described."""

from collections.abc import Callable
from typing import Any, Literal, Protocol

import numpy as np
import pytest

from dreamer_tf.networks.schedules import FractionValue, linear_schedule
from dreamer_tf.settings.types import (
    AtLeastTwo,
    BelowOne,
    Fraction,
    NonNegativeInt,
    PositiveFloat,
    PositiveFraction,
    PositiveInt,
    Size,
    problem,
)


@pytest.mark.parametrize(
    "value,kind",
    [
        (1, PositiveInt),
        (np.int64(3), PositiveInt),
        (np.float32(0.5), Fraction),
        (1, Fraction),
        (None, Size | None),
        ((84, 64), tuple[Size, ...]),
        ([84], tuple[Size, ...]),
        ("mode", Literal["mode", "sample"]),
        (0.5, FractionValue),
        (linear_schedule(1.0, 0.0, 10), FractionValue),
        (print, Callable[[], int]),
        ({"image": (1, 2)}, dict[str, tuple[Size, ...]]),
        (object(), Any),
    ],
)
def test_what_fits_is_no_problem(value, kind):
    assert problem(value, kind) is None


@pytest.mark.parametrize(
    "value,kind,expected",
    [
        (0, PositiveInt, "a whole number of 1 or more"),
        (15.5, PositiveInt, "a whole number of 1 or more"),
        (True, NonNegativeInt, "a whole number of 0 or more"),
        ("3", NonNegativeInt, "a whole number of 0 or more"),
        (10**30, PositiveInt, "a whole number of 1 or more"),
        (1, AtLeastTwo, "a whole number from 2 to 100,000"),
        (2, Fraction, "a number from 0 to 1"),
        (0, PositiveFraction, "a number above 0 and up to 1"),
        (1.0, BelowOne, "a number from 0 to less than 1"),
        (float("nan"), Fraction, "a number from 0 to 1"),
        (float("inf"), PositiveFloat, "a number above 0"),
        ("big", FractionValue, "a number from 0 to 1 or a schedule as in @linear_schedule()"),
        (None, Size, "a whole number from 1 to 100,000"),
        (0, Size | None, "a whole number from 1 to 100,000 or None"),
        ((84, 0), tuple[Size, ...], "a tuple in which each entry is a whole number from 1"),
        ("made", Literal["mode", "sample"], "'mode' or 'sample'"),
        (1, bool, "True or False"),
        (3, str, "text in quotes"),
        ("\ud800", Literal["mode", "sample"], "'mode' or 'sample'"),
        (3, Callable[[], int], "a function or class, as in @name"),
    ],
)
def test_what_does_not_fit_is_described(value, kind, expected):
    assert problem(value, kind).startswith(expected)


class Interface(Protocol):
    size: int

    def draw(self) -> int: ...


class Fitting:
    size = 3

    def draw(self):
        return 3


class Lacking:
    size = 3


@pytest.mark.parametrize("value", [Fitting, Lacking(), 3, "draw", object()])
def test_an_object_needs_the_members_of_its_interface(value):
    """One that lacked a member ended in a traceback, hours later."""
    assert problem(Fitting(), Interface) is None
    assert problem(value, Interface) == "an object with draw and size, as in @MyInterface()"


class Maker(Protocol):
    def __call__(self, size: int) -> int: ...


class Single(Protocol):
    def draw(self) -> int: ...


def test_an_interface_that_is_called_takes_functions_and_classes():
    """Its description had no members to name, and failed."""
    assert problem(Fitting, Maker) is None and problem(print, Maker) is None
    assert problem(3, Maker) == "a function or class, as in @name"
    assert problem(3, Maker | None) == "a function or class, as in @name or None"
    assert problem(3, Single) == "an object with draw, as in @MySingle()"
