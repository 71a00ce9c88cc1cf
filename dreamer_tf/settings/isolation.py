"""Configurations of gin side by side. gin itself knows only one for the whole process.

    configuration = Configuration()
    with configuration.active():
        ...  # gin is empty the first time, and then as it was left here
    ...      # the caller's bindings, imports, lock and scopes, also after an error

Names that are registered stay registered: a name means the same in every configuration. Threads
share what is active, so two threads cannot use two configurations at the same time.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import gin

# gin has no public way to set its state aside. These are all of its variables that configuring
# changes; a test compares them with those that gin has.
_STATE = (
    *("_CONFIG", "_IMPORTS", "_OPERATIVE_CONFIG", "_SINGLETONS", "_CONFIG_IS_LOCKED"),
    *("_FILE_READERS", "_LOCATION_PREFIXES"),
)


class Configuration:
    """Everything that was bound, imported and used in one configuration."""

    def __init__(self) -> None:
        """Starts without any binding. Files are found where the caller of now lets gin look."""
        self._state: dict[str, Any] = {
            "_CONFIG": {},
            "_IMPORTS": set(),
            "_OPERATIVE_CONFIG": {},
            "_SINGLETONS": {},
            "_CONFIG_IS_LOCKED": False,
            "_FILE_READERS": list(gin.config._FILE_READERS),
            "_LOCATION_PREFIXES": list(gin.config._LOCATION_PREFIXES),
        }

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Puts this configuration in gin's place inside of a `with`; it may be nested."""
        before = _swap(self._state)
        try:
            # The caller's scope would change which bindings act.
            with gin.config_scope(None):
                yield
        finally:
            self._state = _swap(before)


def look_in(directory: str) -> None:
    """Lets gin look for files in a directory, too.

    gin itself adds a directory every time it is told to, and looks there as often: a process that
    reads many configurations would take ever longer to find that a file is missing.
    """
    if directory not in gin.config._LOCATION_PREFIXES:
        gin.add_config_file_search_path(directory)


def _swap(state: dict[str, Any]) -> dict[str, Any]:
    """Sets gin's state; what it was before."""
    # References, not copies: a policy does this at every step.
    before = {name: getattr(gin.config, name) for name in _STATE}
    for name, value in state.items():
        setattr(gin.config, name, value)
    return before
