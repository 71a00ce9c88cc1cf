"""Parameters that make a configuration, and those that do not."""

import gin
import pytest

from dreamer_tf.experiment import launch  # noqa: F401 - registers everything
from dreamer_tf.settings import roles


@pytest.mark.parametrize("name", [*roles.CHANGEABLE, *roles.TASK])
def test_what_is_left_out_exists(name):
    """A renamed parameter would silently become a part of the configuration."""
    selector, _, parameter = name.rpartition(".")
    assert gin.config._REGISTRY.get_match(selector) is not None
    gin.clear_config()
    with gin.unlock_config():
        gin.parse_config(f"{name} = 1")  # refuses an unknown parameter
    assert not roles.is_fixed(name)
    assert roles.is_fixed(f"{selector}.other") and parameter
