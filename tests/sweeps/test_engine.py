"""Tasks of Ray: what is started again, and what a lost worker or node leaves."""

import sys

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.sweeps import engine
from dreamer_tf.sweeps.engine import Resources


@pytest.mark.parametrize(
    ("code", "failures", "again"),
    [
        (0, 0, False),
        (75, 0, True),
        (75, 9, True),
        (2, 0, False),
        (1, 2, True),
        (1, 3, False),
        (-9, 1, True),
    ],
)
def test_an_exit_code_says_whether_a_run_is_started_again(code, failures, again):
    assert engine.again(code, failures, retries=2) is again


def test_a_run_has_at_least_one_thread():
    found = [Resources(cpus_per_run=cpus).threads for cpus in (0.5, 1.0, 2.5)]
    assert found == [1, 1, 2]


def test_without_ray_the_user_hears_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'dreamer_tf\[sweep\]'"):
        engine.Engine(Resources())
