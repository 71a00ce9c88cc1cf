"""Any value of any gin parameter is a sentence or works; none is a traceback or destroys a run."""

import contextlib

import gin
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, launch
from dreamer_tf.settings import bindings
from tests.helpers import TINY

# Numbers at and beyond every bound, and what is no number.
VALUES = st.one_of(
    st.sampled_from([0, 1, 2, -1, -2, 10**6, 10**12, 10**13, 2**63, 10**400]),
    st.sampled_from([0.0, 0.5, 1.0, 1.5, -0.5, 1e-30, 1e30, float("nan"), float("inf")]),
    st.sampled_from([None, True, False, "", "big", "elu", "relu", "tanh", b"x", object()]),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.one_of(st.integers(-2, 100), st.text(max_size=2)), max_size=4),
    st.lists(st.integers(-2, 100), max_size=4).map(tuple),
    st.dictionaries(st.text(max_size=3), st.one_of(st.floats(), st.integers()), max_size=2),
)


def parameters(name):
    """Scope, name and value of everything that a shipped file binds."""
    gin.clear_config()
    gin_files.parse([name])
    return [
        (f"{scope}/" if scope else "") + f"{selector}.{parameter}"
        for scope, selector, parameter, _ in bindings._bound()
    ]


@pytest.mark.parametrize("path", gin_files.shipped_files(), ids=lambda path: path.name)
def test_any_value_of_any_parameter_is_judged(path):
    names = parameters(str(path))

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def judge(data):
        name, value = data.draw(st.sampled_from(names)), data.draw(VALUES)
        before = gin.query_parameter(name)
        gin.bind_parameter(name, value)
        with contextlib.suppress(UserError):
            bindings.check_values()
        gin.bind_parameter(name, before)

    judge()


# Values that pass the types, at their edges.
EDGES = {
    int: (0, 1, 2, 3),
    float: (0.0, 1e-30, 1.0, 1e30),
    bool: (True, False),
    tuple: ((), (1,), (2, 3), (1,) * 6),
}
RUN = ("atari.gin", ["AtariEnvironment.game_name='Pong'", *TINY, "configure_devices.gpu=None"])


def edges():
    gin.clear_config()
    gin_files.parse([RUN[0]], RUN[1])
    for scope, selector, parameter, value in list(bindings._bound()):
        kind = type(value)
        for edge in EDGES.get(kind, ()):
            short = selector.rpartition(".")[2]
            if edge != value and parameter not in ("cpu_threads", "num_iterations"):
                yield (f"{scope}/" if scope else "") + f"{short}.{parameter}", edge
    gin.clear_config()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "value"), edges(), ids=str)
def test_a_run_with_a_value_at_its_edge_works_or_says_a_sentence(tmp_path, name, value):
    gin_files.parse([RUN[0]], RUN[1])
    gin.bind_parameter(name, value)
    try:
        runner = launch.make_runner(str(tmp_path), 0)
        launch.rehearse(runner)
        runner.run_experiment()
        launch.check_learned(runner)
        runner.close()
    except UserError as error:
        assert "\n" not in error.sentence and len(error.sentence) > 20
