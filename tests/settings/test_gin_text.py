"""What the text of a configuration says."""

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.settings import gin_text

TEXT = """
import os
units = 3
dreamer_tf.world_model.rssm.RSSM.units = %units
actor/Optimizer.learning_rate = @linear_schedule()
RSSM.latent = @BinaryLatent
RSSM.units = 5
"""


def test_the_last_value_of_a_parameter_counts_under_one_name():
    found = gin_text.bound(gin_text.statements(TEXT, "here"))
    assert {key: repr(value) for key, value in found.items()} == {
        "units": "3",
        "RSSM.units": "5",
        "actor/Optimizer.learning_rate": "@linear_schedule()",
        "RSSM.latent": "@BinaryLatent",
    }
    assert repr(gin_text.bound(gin_text.statements("A.b = %c/d", "here"))["A.b"]) == "%c/d"


def test_no_configuration_is_one_sentence():
    with pytest.raises(UserError, match="a file is no gin configuration"):
        gin_text.statements("RSSM.units = (", "a file")
