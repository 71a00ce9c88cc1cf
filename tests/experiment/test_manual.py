"""The manual of gin parameters is complete, because it is made from the code."""

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import manual


def test_every_parameter_has_a_meaning():
    known = manual.find(manual.ALL)
    assert len(known) > 150
    assert not [parameter.name for parameter in known if not parameter.meaning]
    assert known == sorted(known) and len({parameter.name for parameter in known}) == len(known)


def test_a_part_of_a_name_chooses():
    names = [parameter.name for parameter in manual.find("KL_")]
    assert names == ["WorldModel.kl_balance", "WorldModel.kl_scale"]
    [rate] = manual.find("linear_schedule.steps")
    assert rate.default == "required" and rate.meaning == "number of updates."
    [latent] = manual.find("RSSM.latent")
    assert latent.text().startswith("RSSM.latent = None\n    the stochastic variables")


def test_an_unknown_name_is_a_sentence():
    with pytest.raises(UserError, match="Did you mean 'kl_balance'"):
        manual.find("kl_balence")
