"""What several parts of a stored state are made of, and how a part is checked.

A state comes from a file that anybody could have written. `check` compares it with a type before
anything of it is used: no missing parts, no text in place of a number, no number beyond 2**53.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import numpy as np

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Rng = dict[str, Any]  # of a bit generator of NumPy; `check_rng` looks into it


def check(part: Any, kind: Any, name: str) -> Any:
    """Checks one part of a state.

    Args:
      part: JSON-compatible values.
      kind: a type that msgspec knows.
      name: of the part, for the message.

    Returns:
      The part as that type.

    Raises:
      ValueError: the part is of another type.
    """
    try:
        return msgspec.convert(part, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(f"'{name}' of its state is wrong: {error}") from error


def check_rng(state: Mapping[str, Any]) -> None:
    """Checks the state of a generator that `np.random.default_rng` makes.

    Raises:
      ValueError: no generator can have it.
    """
    try:
        np.random.default_rng(0).bit_generator.state = state
    except (TypeError, LookupError, ValueError, ArithmeticError) as error:
        raise ValueError(f"its random numbers have an impossible state ({error})") from error
