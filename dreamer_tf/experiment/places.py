"""Paths that users give: on this machine, and below a working directory that exists."""

import math
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from dreamer_tf.errors import UserError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def check_local(name: str, value: Any) -> None:
    """Checks that a path is no URL.

    Without this, `gs://bucket/run` would become a directory `gs:` below the working directory.

    Args:
      name: the flag or argument, as the user writes it.
      value: what was given; only text and paths are looked at.

    Raises:
      UserError: it is a URL.
    """
    if isinstance(value, str | os.PathLike) and _URL.match(text := os.fspath(value)):
        raise UserError(
            f"{name}={text} is a URL, but only paths on this machine are supported: mount the "
            "storage and name the path, or copy the files."
        )


def check_flags(values: Mapping[str, Any]) -> None:
    """Checks the values of all flags, and the working directory that their paths are relative to.

    Args:
      values: value by name of the flag; lists are looked into.

    Raises:
      UserError: a value is a URL or no number, or the working directory was deleted.
    """
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):  # bounds of absl let it through
            raise UserError(f"--{name}={value} is no number that can be used: write another one.")
        several = isinstance(value, Iterable) and not isinstance(value, str)
        for item in value if several else [value]:
            check_local(f"--{name}", item)
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise UserError(
            "The working directory does not exist any more: change to another one with cd."
        ) from error
