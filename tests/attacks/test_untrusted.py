"""A run directory from a stranger: whatever its configuration says, nothing of it is executed."""

import contextlib
import importlib
import inspect
import pkgutil
import shutil
import subprocess
import sys

import gin
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dreamer_tf
from dreamer_tf.environments.registry import ENVIRONMENTS
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, launch, trust  # noqa: F401 - registers with gin
from tests.commands.processes import SMALL, assert_sentence, run

SOURCE = "/nowhere/run/config.gin"  # not here: packages of a .venv here would lie in the run
ID = "create_gym_environment.id"
FACTORY = "DreamerRunner.create_environment_fn"
ATTACKS = (
    # An id of Gymnasium may name a package, which is then imported.
    f"{ID} = 'evil.payload:CartPole-v1'",
    f"{ID} = 'evil:CartPole-v1'",
    f"{ID} = 'ev' 'il:' 'CartPole-v1'",
    f"{ID} = '\\x65vil:CartPole-v1'",
    f"any/scope/{ID} = 'evil:CartPole-v1'",
    f"{ID} = ('evil:CartPole-v1',)",
    "create_gym_environment:\n  id = 'evil:CartPole-v1'",
    f"NAME = 'evil:CartPole-v1'\n{ID} = %NAME",
    f"a/b/macro.value = 'evil:CartPole-v1'\n{ID} = %a/b/NAME",
    f"a = 'evil:CartPole-v1'\n{ID} = %a/b/NAME\na/b/NAME = 'CartPole-v1'",
    f"NAME/macro.value = 'evil:CartPole-v1'\n{ID} = %NAME",
    f"NAME/gin.macro.value = 'evil:CartPole-v1'\nOTHER = %NAME\n{ID} = %OTHER",
    f"gin.macro.value = 'evil:CartPole-v1'\n{ID} = %NAME",
    f"{ID} = %NAME\nNAME = %NAME",
    f"{ID} = 'minigrid:evil:CartPole-v1'",
    f"{ID} = '../evil'",
    # Other arguments of gymnasium.make, which environments may take as paths or ids.
    "create_gym_environment.xml_file = '/tmp/evil.xml'",
    "create_gym_environment.env_id = 'evil:CartPole-v0'",
    "create_gym_environment.make_kwargs = {'xml_file': '../evil.xml'}",
    "create_gym_environment.make_kwargs = {@Logger(): 1}",
    # References to what reads, writes or unpickles.
    f"{FACTORY} = @dopamine.discrete_domains.run_experiment.Runner\nRunner.base_dir = '.'",
    f"{FACTORY} = @Runner()",
    f"{FACTORY} = @scope/Logger",
    f"{FACTORY} = @create_runner",
    f"{FACTORY} = @Checkpointer",
    f"{FACTORY} = @gin.singleton",
    f"{FACTORY} = @RSSM",
    f"WHAT = @Logger\n{FACTORY} = %WHAT",
    "create_gym_environment.factory = @Runner",
    "create_gym_environment.factory = @create_gym_environment",
    "RSSM.latent = @Logger()",
    "RSSM.latent = @linear_schedule()",
    "RSSM.units = @Logger()",
    "RSSM.units = [1, (2, @Logger())]",
    "ActorCritic.entropy_scale = @CategoricalLatent()",
    "JaxDQNAgent.network = @Runner",
    "JaxDQNAgent.preprocess_fn = @Logger",
    # Paths, and values from which Keras would build any object.
    "Runner.base_dir = '/tmp/evil'",
    "Runner.checkpoint_file_prefix = '/tmp/evil'",
    "Runner.create_agent_fn = @create_agent",
    "Logger.logging_dir = '/tmp/evil'",
    "Checkpointer.base_directory = '/tmp/evil'",
    "JaxDQNAgent.summary_writer = '/tmp/evil'",
    "JaxDQNAgent.allow_partial_reload = True",
    "CollectorDispatcher.base_dir = '/tmp/evil'",
    "CollectorDispatcher.collectors = ('../evil',)",
    "ConsoleCollector.base_dir = '/tmp/evil'",
    "RSSM.activation = '../evil'",
    "RSSM.activation = {'class_name': 'Lambda', 'config': {}}",
    "RSSM.units = 'evil'",
    "AtariEnvironment.game_name = '../evil'",
    "Learner.policy_device = '/tmp/evil'",
    "DopamineAgent.label = '/tmp/evil'",
    "gin.singleton.constructor = @Logger",
    # Code by import, and other files.
    "import evil",
    "  from evil import it",
    "import evil as gin",
    "from __gin__ import dynamic_registration\nimport os\nos.system.command = 'touch evil'",
    "include 'evil.gin'",
    "include '/etc/passwd'",
    # What nobody knows, and what is no configuration.
    "Evil.payload = 1",
    f"{FACTORY} = @Evil",
    "RSSM.units = %EVIL",
    "RSSM.units = " + "[" * 5000,
    "RSSM.units = {[]: 1}",
    "RSSM.units = '",
    "\0",
)


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A run directory with modules that tell if they are imported; Python would find them."""
    for name in ("evil", "minigrid"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('code was run')")
    (tmp_path / "evil.gin").write_text("RSSM.units = 1")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("lines", ATTACKS, ids=range(len(ATTACKS)))
def test_the_configuration_of_a_stranger_is_refused(lines, stranger):
    (stranger / gin_files.CONFIG_FILE).write_text(f"RSSM.hidden_units = 5\n{lines}\n")
    before = set(sys.modules)
    with pytest.raises(UserError) as refusal:
        gin_files.parse_recorded(stranger)
    sentence = refusal.value.sentence
    assert "--trust_imports" in sentence or "is no gin configuration" in sentence
    assert "\n" not in sentence
    assert not gin.config_str().strip()  # nothing was applied, also not what is harmless
    assert not {"evil", "minigrid"} & (set(sys.modules) - before)


def test_a_known_package_is_not_taken_from_the_run(stranger):
    """`python -m` puts the working directory on the path, and that may be the run."""
    (stranger / gin_files.CONFIG_FILE).write_text(f"{ID} = 'minigrid:MiniGrid-Empty-5x5-v0'")
    with pytest.raises(UserError, match=r"lies in the run itself.*--import=minigrid"):
        gin_files.parse_recorded(stranger)
    (stranger / "minigrid.py").unlink()
    gin_files.parse_recorded(stranger)
    assert gin.query_parameter(ID) == "minigrid:MiniGrid-Empty-5x5-v0"


def test_the_configuration_must_be_a_small_regular_file(stranger):
    path = stranger / gin_files.CONFIG_FILE
    path.symlink_to("/dev/zero")
    with pytest.raises(UserError, match="must be a regular file"):
        gin_files.parse_recorded(stranger)
    path.unlink()
    path.write_text("# " + "x" * trust.LARGEST)
    with pytest.raises(UserError, match="has more than"):
        gin_files.parse_recorded(stranger)


@pytest.mark.parametrize("path", gin_files.shipped_files(), ids=lambda path: path.stem)
def test_what_a_shipped_file_records_is_allowed(path):
    needed = ["Optimizer.learning_rate=1e-3", "DopamineAgent.label='A'"] * (
        path.parent.name == "base"
    )
    gin_files.parse([str(path)], needed)
    recorded = gin.config_str(max_line_length=120)
    gin.clear_config()
    trust.check(recorded, SOURCE)


@pytest.fixture(scope="module")
def configurables():
    """Everything that gin knows after all modules of this package have been imported."""
    # They define flags of one name.
    commands = ("train", "sweep", "evaluate", "dream", "compare", "describe", "pack")
    for module in pkgutil.walk_packages(dreamer_tf.__path__, "dreamer_tf."):
        if module.name.rpartition(".")[2] not in commands:
            importlib.import_module(module.name)
    found = [item for name, item in gin.config._REGISTRY.items() if name != "gin.macro"]
    assert len(found) > 60
    return found


def refused(text):
    try:
        trust.check(text, SOURCE)
    except UserError as error:
        assert "--trust_imports" in error.sentence
        return True
    return False


def test_no_parameter_takes_a_path_a_package_or_a_foreign_reference(configurables):
    values = (
        "'/tmp/evil'",
        "'../evil'",
        "'evil:x'",
        "'file:///x'",
        "@Runner()",
        "@Logger",
        "{'a': 'b/c'}",
    )
    for item in configurables:
        if item.wrapped.__module__.startswith("test"):
            continue  # of a test, so it is the caller's code
        for parameter in inspect.signature(item.wrapped).parameters:
            for value in values:
                assert refused(f"{item.selector}.{parameter} = {value}"), (item.selector, parameter)


def test_of_dopamine_only_what_is_listed_can_be_set(configurables):
    allowed = {
        f"{item.selector}.{parameter}"
        for item in configurables
        if item.selector.startswith(("dopamine.", "gin."))
        for parameter in inspect.signature(item.wrapped).parameters
        if not refused(f"{item.selector}.{parameter} = 1")
    }
    listed = {
        f"{selector}.{parameter}"
        for selector, parameters in trust.DOPAMINE.items()
        for parameter in parameters.split()
    }
    assert allowed <= listed and len(allowed) > 60
    words = {name.rpartition(".")[2] for name in allowed}
    assert not [word for word in words if "dir" in word or "path" in word or "prefix" in word]


@pytest.mark.parametrize("call", ["", "()"])
def test_references_go_only_where_they_belong(configurables, call):
    """Every configurable, in every place that takes references."""
    places = {
        **trust.REFERENCES,
        **{f"JaxDQNAgent.{name}": names for name, names in trust.DOPAMINE_REFERENCES.items()},
    }
    for item in configurables:
        short = item.selector.rpartition(".")[2]
        for place, names in places.items():
            text = f"{place} = @{item.selector}{call}"
            if item.selector.startswith("dopamine.tf.") or short not in names:
                assert refused(text) or trust._is_callers(item), text
            else:
                assert not refused(text), text


def test_the_lists_name_what_exists(configurables):
    known = {
        f"{item.selector.rpartition('.')[2]}.{name}": parameter
        for item in configurables
        for name, parameter in inspect.signature(item.wrapped).parameters.items()
    }
    short = {item.selector.rpartition(".")[2] for item in configurables}
    assert set(trust.TEXTS) <= set(known) and set(trust.REFERENCES) <= set(known)
    for names in (*trust.REFERENCES.values(), *trust.DOPAMINE_REFERENCES.values()):
        assert set(names) <= short
    assert set(trust.REFERENCES[FACTORY]) == {item.__name__ for item in ENVIRONMENTS}
    scheduled = {name for name, item in known.items() if "Callable[[tensorflow" in str(item)}
    assert scheduled == {
        name for name, names in trust.REFERENCES.items() if "linear_schedule" in names
    }


TOKENS = (
    *("\n", "\n  ", " = ", "=", ":", "/", ".", "(", ")", "[", "]", "{", "}", ",", "@", "%", "#"),
    *(ID, FACTORY, "RSSM.latent", "RSSM.units", "RSSM:", "units", "RSSM.activation", "NAME"),
    *("Runner.base_dir", "Logger", "Runner", "CategoricalLatent", "linear_schedule", "macro"),
    *("macro.value", "gin.macro", "gin.singleton", "gin.REQUIRED", "scope", "from", "import"),
    *("include", "evil", "os", "__gin__", "dynamic_registration", "as", "create_gym_environment"),
    *("'evil:x'", "'CartPole-v1'", "'/tmp/evil'", '"', "'", "\\\n", "1", "-1e3", "None", "True"),
    *("ActorCritic.entropy_scale", "JaxDQNAgent.network", "ImpalaDQNNetwork", "\0", "\t", "ü"),
)
ATTACKING = ("@Runner", "@Logger()", "%a/NAME", "%NAME", "'evil:x'", "'../x'", "{1: @Logger}")
HARMLESS = ("1", "None", "[1, (2.5, True)]", "%NAME", "%a/b/NAME")
PLACES = {
    **{place: [f"@{name}" for name in names] for place, names in trust.REFERENCES.items()},
    **{place: ["'word'", "'CartPole-v1'"] for place in trust.TEXTS},
    **{place: ["5", "'word'"] for place in ("NAME", "a/NAME", "a/macro.value", "macro.value")},
    "JaxDQNAgent.network": ["@ImpalaDQNNetwork"],
    "RSSM.units": ["5"],
}


@st.composite
def lines(draw):
    """A statement that is allowed, or nearly so."""
    place = draw(st.sampled_from(sorted(PLACES)))
    harmless = st.sampled_from([*PLACES[place], *HARMLESS])
    value = draw(harmless if draw(st.integers(0, 7)) else st.sampled_from(ATTACKING))
    call = draw(st.sampled_from(["", "", "()", ","]))
    return f"{draw(st.sampled_from(['', '', 'a/', 'a/b/']))}{place} = {value}{call}"


def macros_replaced(value, depth=0):
    """A value as gin will see it: every macro is looked up in its scope and those around it."""
    if isinstance(value, list | tuple | dict):
        items = value.items() if isinstance(value, dict) else value
        return [macros_replaced(item, depth) for item in items]
    if getattr(value, "selector", "") != "gin.macro" or depth > 9:
        return value
    for count in range(len(value.scopes), -1, -1):
        bound = gin.config._CONFIG.get(("/".join(value.scopes[:count]), "gin.macro"), {})
        if "value" in bound:
            return macros_replaced(bound["value"], depth + 1)
    return value


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.one_of(
        st.lists(st.sampled_from(TOKENS), max_size=12).map("".join),
        st.lists(lines(), min_size=1, max_size=5).map("\n".join),
    )
)
def test_what_passes_the_check_names_nothing_else(text):
    """Gin applies it afterwards, and may read it differently from the check."""
    gin.clear_config()
    try:
        trust.check(text, SOURCE)
    except UserError:
        return
    before = set(sys.modules)
    with contextlib.suppress(UserError):
        gin_files.parse([], [text])
    assert set(sys.modules) == before
    allowed = {name for names in trust.REFERENCES.values() for name in names}
    for names in trust.DOPAMINE_REFERENCES.values():
        allowed.update(names)
    used = [
        (key[1], parameter, value)
        for key, bound in gin.config._CONFIG.items()
        for parameter, value in bound.items()
        if key[1] != "gin.macro"
    ]
    for selector, parameter, value in used:
        assert parameter != "base_dir"
        value = macros_replaced(value)
        for reference in gin.config.iterate_references({"": value}):
            name = reference.selector.rpartition(".")[2]
            assert name in allowed | {"macro", "constant"}, (selector, parameter, text)
        assert "evil" not in repr(value) and "../" not in repr(value), text


@pytest.mark.ci
def test_a_child_process_runs_no_module_of_the_working_directory(tmp_path):
    """The console scripts do not search it, so their children must not either."""
    if sys.version_info < (3, 11):
        pytest.skip("Python 3.10 cannot leave the working directory out")
    (tmp_path / "run").mkdir()
    for name in ("cv2", "gin", "numpy"):
        (tmp_path / f"run/{name}.py").write_text("open('code_was_run', 'w')\n")
    script = tmp_path / "script.py"
    script.write_text(
        "from dreamer_tf.environments.process import ProcessEnvironment\n"
        "child = ProcessEnvironment('dreamer_tf.environments.gym:create_gym_environment',"
        " id='CartPole-v1')\n"
        "print(child.name)\nchild.close()\n"
    )
    result = subprocess.run(
        [sys.executable, script], cwd=tmp_path / "run", capture_output=True, text=True, timeout=60
    )
    assert result.stdout == "CartPole-v1\n", result.stderr
    assert not (tmp_path / "run/code_was_run").exists()


@pytest.fixture(scope="module")
def run_directory(tmp_path_factory):
    """A run with an environment of the user's own, in a module that only `--import` names."""
    directory = tmp_path_factory.mktemp("stranger")
    (directory / "maze.py").write_text(
        "import gin, gymnasium\nfrom dreamer_tf.environments.gym import GymEnvironment\n"
        "@gin.configurable\ndef make_maze(path):\n"
        "    return GymEnvironment(gymnasium.make('CartPole-v1'))\n"
    )
    result = run(
        *(directory, "train", "--gin_files=base/dreamer_v2.gin", "--import=maze", *SMALL),
        "--gin_bindings=DreamerRunner.create_environment_fn = @make_maze",
        "--gin_bindings=make_maze.path = '/a/path'",
        "--gin_bindings=create_gym_environment.image_size = 64",
        "--base_dir=run",
    )
    assert result.returncode == 0, result.stderr
    assert "--import=maze" in result.stdout and "--trust_imports" not in result.stdout
    return directory


@pytest.mark.ci
@pytest.mark.timeout(300)
def test_only_the_caller_says_which_module_a_run_may_use(run_directory):
    result = run(run_directory, "evaluate", "--base_dir=run", "--episodes=1")
    assert_sentence(result, "import maze", "--import=maze", "--trust_imports")
    result = run(run_directory, "evaluate", "--base_dir=run", "--episodes=1", "--import=maze")
    assert result.returncode == 0 and '"episodes": 1' in result.stdout, result.stderr
    result = run(run_directory, "dream", "--base_dir=run", "--import=no_such_module")
    assert_sentence(result, "--import=no_such_module", "PYTHONPATH")


@pytest.mark.ci
@pytest.mark.timeout(300)
def test_commands_run_no_code_of_a_run(run_directory, tmp_path):
    """The two attacks of the review, with the commands that they were made with."""
    run_copy = tmp_path / "copy"
    shutil.copytree(run_directory / "run", run_copy)
    marker = tmp_path / "code_was_run"
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil/payload.py").write_text(f"open({str(marker)!r}, 'w')")
    config = run_copy / gin_files.CONFIG_FILE
    for command, attack in (
        ("evaluate", f"{ID} = 'evil.payload:CartPole-v1'\n{FACTORY} = @create_gym_environment"),
        ("dream", f"{FACTORY} = @Runner\nRunner.base_dir = '{run_copy}'"),
    ):
        config.write_text(attack)
        assert_sentence(run(tmp_path, command, f"--base_dir={run_copy}"), "--trust_imports")
        assert not marker.exists()


@pytest.mark.ci
def test_a_command_warns_inside_a_run(run_directory):
    result = run(run_directory / "run", "evaluate", "--base_dir=.")
    assert "Warning: Python imports modules from the working directory" in result.stderr
    assert "console scripts" in result.stderr
