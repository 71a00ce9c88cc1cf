"""Any two ablations or variants can be combined, in both orders, or are refused by name."""

import itertools

import gin
import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, gin_stack, launch  # noqa: F401 - registers all
from tests.gin_configs.test_shipped_files import CHANGED, ROOT

MIXED = "ablations/mixed_gradients.gin"
DMC = "variants/control_suite_released.gin"  # the only one that does not change atari.gin
PAIRS = list(itertools.combinations([name for name in CHANGED if name != DMC], 2))


def bindings(*names):
    gin.clear_config()
    gin_files.parse(list(names))
    return gin_files.bindings()


def own(name):
    return gin_stack.changed(ROOT / name)


def is_base(name, other):
    return name == MIXED and other.startswith("ablations/")


def conflicting(one, other):
    """Parameters that both files set, to different values."""
    if is_base(one, other) or is_base(other, one):
        return set()
    return {key for key in own(one).keys() & own(other).keys() if own(one)[key] != own(other)[key]}


@pytest.mark.parametrize("one", CHANGED)
def test_every_pair_combines_in_both_orders(one):
    """The result is the base with what either file changes, or a sentence with both names."""
    alone = {name: bindings(name) for name in CHANGED}
    for other in CHANGED:
        if one == other:
            continue
        if (one == DMC) != (other == DMC):
            with pytest.raises(UserError, match=r"changes dmc_vision\.gin") as error:
                bindings(one, other)
            assert one in error.value.sentence and other in error.value.sentence
            continue
        conflicts = conflicting(one, other)
        if conflicts:
            with pytest.raises(UserError) as error:
                bindings(one, other)
            for word in (one, other, min(conflicts)):
                assert word in error.value.sentence
            continue
        ablation = any(name.startswith("ablations/") for name in (one, other))
        expected = dict(alone[MIXED] if ablation else bindings("atari.gin"))
        for name in (MIXED, *sorted((one, other), key=lambda name: name != MIXED)):
            if name != MIXED or name in (one, other):
                expected |= {key: alone[name][key] for key in own(name)}
        assert bindings(one, other) == expected, other


def test_pairs_that_were_broken_or_do_conflict():
    """Named, so that the rule above is not the only witness."""
    found = bindings("no_kl_balancing.gin", "schedules.gin")
    assert found["WorldModel.kl_balance"] == "None"
    assert found["ActorCritic.gradient_mixing"] == "@mixing/linear_schedule()"
    found = bindings("schedules.gin", "no_kl_balancing.gin")
    assert found["ActorCritic.gradient_mixing"] == "@mixing/linear_schedule()"
    with pytest.raises(UserError, match=r"no_image_gradients\.gin sets WorldModel\.gradient_heads"):
        bindings("no_image_gradients.gin", "no_reward_gradients.gin")
    assert sum(bool(conflicting(*pair)) for pair in PAIRS) == 13  # of 153, counted by hand


@pytest.mark.parametrize("names", [("atari_small.gin", "no_kl_balancing.gin")])
def test_an_ablation_changes_another_configuration(names):
    """It does not put the sizes of atari.gin back."""
    for order in (names, names[::-1]):
        found = bindings(*order)
        assert found["RSSM.units"] == "128" and found["WorldModel.kl_balance"] == "None"
        assert found["ActorCritic.gradient_mixing"] == "0.9"


def test_a_file_that_is_named_again_is_read_again():
    """Only includes are read once: README names base/atari_100k.gin after atari_small.gin."""
    assert bindings("atari_small.gin")["Runner.num_iterations"] == "2"
    found = bindings("atari_small.gin", "base/atari_100k.gin")
    assert found["Runner.num_iterations"] == "10"


def test_an_include_in_the_middle_of_a_users_file_keeps_its_place(tmp_path):
    mine = tmp_path / "mine.gin"
    mine.write_text("RSSM.units = 7\ninclude 'atari.gin'\nRSSM.hidden_units = 8\n")
    found = bindings(str(mine))
    assert (found["RSSM.units"], found["RSSM.hidden_units"]) == ("600", "8")


def test_an_error_in_a_file_names_its_line(tmp_path):
    mine = tmp_path / "mine.gin"
    mine.write_text("# mine\ninclude 'atari.gin'\n\nRSSM.unit = 7\n")
    with pytest.raises(UserError, match=r"mine\.gin\" line 4\)\. Did you mean 'units'"):
        bindings(str(mine))


def test_files_that_include_each_other_are_told(tmp_path):
    """The sentence named a file of the package, which is innocent."""
    (tmp_path / "a.gin").write_text(f"RSSM.units = 5\ninclude '{tmp_path}/b.gin'\n")
    (tmp_path / "b.gin").write_text(f"include '{tmp_path}/a.gin'\n")
    with pytest.raises(UserError, match="include each other in a circle: take one include out"):
        bindings(str(tmp_path / "a.gin"))


def test_a_file_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "latin.gin"
    path.write_bytes(b"# caf\xe9\nRSSM.units = 5\n")
    with pytest.raises(UserError, match=r"latin\.gin is no text in UTF-8 .*save it as UTF-8"):
        gin_files.parse([str(path)])
