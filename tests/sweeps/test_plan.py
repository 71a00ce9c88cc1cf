"""What a sweep runs: configurations x games x seeds x varied parameters."""

import inspect
import subprocess
import sys

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.sweeps import plan
from dreamer_tf.sweeps.plan import Request


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_combination_is_a_run_in_a_directory_of_its_own():
    runs = plan.make(
        Request(
            configs="atari_small.gin; rainbow.gin+base/atari_100k.gin",
            games=["Pong", "@atari5"],
            seeds="0-1,4",
            vary=["Runner.clip_rewards=True,False"],
            gin_bindings=["Runner.training_steps=500"],
            imports=["mine"],
            scratch="/node",
        )
    )
    assert len(runs) == len({run.base_dir for run in runs}) == 2 * 6 * 3 * 2
    assert runs[0] == plan.Run(
        config="atari_small+clip_rewards=True+training_steps=500",
        game="Pong",
        seed=0,
        base_dir="runs/atari_small+clip_rewards=True+training_steps=500/Pong/0",
        arguments=(
            "--base_dir=runs/atari_small+clip_rewards=True+training_steps=500/Pong/0",
            "--gin_files=atari_small.gin",
            "--gin_bindings=Runner.training_steps=500",
            "--gin_bindings=Runner.clip_rewards=True",
            "--gin_bindings=AtariEnvironment.game_name='Pong'",
            "--import=mine",
            "--scratch=/node",
            "--seed=0",
        ),
        iterations=2,
        training_steps=500,
    )
    assert runs[0].steps == 1000
    assert runs[-1].arguments[1:3] == ("--gin_files=rainbow.gin", "--gin_files=base/atari_100k.gin")
    assert runs[-1].game == "Qbert" and runs[-1].iterations == 10


def test_an_environment_is_asked_for_its_name_once_for_all_variations(tmp_path, monkeypatch):
    """All environments that a function makes shared the directory 'environment'."""
    (tmp_path / "maze.gin").write_text(
        "include 'gym.gin'\ncreate_gym_environment.factory = @Maze\n"
    )
    asked = []

    def ask(files, bindings, imports):
        asked.append((files, imports))
        return "Maze"

    monkeypatch.setattr(plan.asking, "environment_name", ask)
    monkeypatch.setattr(plan.preflight, "check", lambda *_: None)
    vary = ["WorldModel.kl_scale=0.1,1.0"]
    runs = plan.make(Request("maze.gin", seeds="0-1", vary=vary, imports=["maze"]))
    assert {run.game for run in runs} == {"Maze"} and len(runs) == 4
    assert runs[0].base_dir == "runs/maze+kl_scale=0.1/Maze/0"
    assert asked == [(["maze.gin"], ["maze"])]


def test_what_an_environment_said_before_is_not_asked_again(tmp_path, monkeypatch):
    (tmp_path / "maze.gin").write_text(
        "include 'gym.gin'\ncreate_gym_environment.factory = @Maze\n"
    )
    answers = iter(["Maze", "Labyrinth"])
    monkeypatch.setattr(plan.asking, "environment_name", lambda *_: next(answers))
    monkeypatch.setattr(plan.preflight, "check", lambda *_: None)
    request = Request("maze.gin", imports=["maze"])
    names: dict[str, str] = {}
    first = plan.make(request, names)
    assert plan.make(request, names) == first and first[0].game == "Maze"
    # Another binding may make another environment.
    [other] = plan.make(request._replace(gin_bindings=["Maze.size = 3"]), names)
    assert other.game == "Labyrinth" and len(names) == 2


def test_without_games_a_configuration_runs_its_own():
    [pong, catch, cartpole] = plan.make(Request("atari.gin;catch.gin;cartpole.gin", root="here"))
    assert pong.base_dir == "here/atari/Pong/0"
    assert catch.base_dir == "here/catch/Catch/0"
    assert cartpole.base_dir == "here/cartpole/CartPole-v1/0"


def test_the_length_is_found_behind_a_macro_and_is_dopamines_by_default(tmp_path):
    path = tmp_path / "mine.gin"
    path.write_text("Runner.num_iterations = %few\nfew = 3\n")
    [found] = plan.make(Request(f"catch.gin+{path}"))
    assert found.iterations == 3
    # Only here, because plans are made without it.
    from dreamer_tf.agents.dopamine_compat import run_experiment

    path.write_text("DreamerRunner.create_environment_fn = @Catch\n")
    [found] = plan.make(Request(str(path)))
    defaults = inspect.signature(run_experiment.Runner.__init__).parameters
    assert found.iterations == defaults["num_iterations"].default
    assert found.training_steps == defaults["training_steps"].default


def test_what_is_named_twice_is_run_once():
    assert len(plan.make(Request("atari.gin;atari.gin", ["Pong", "Pong"], "0,0-1"))) == 2


def test_two_files_of_one_name_do_not_share_a_directory(tmp_path):
    for folder, value in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        text = f"include 'atari.gin'\nRunner.num_iterations={value}\n"
        (tmp_path / folder / "mine.gin").write_text(text)
    with pytest.raises(UserError, match=r"share the directory runs/mine/Pong/0: give their"):
        plan.make(Request("a/mine.gin;b/mine.gin"))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request(""), "--configs is missing"),
        (Request(" ; +"), "--configs is missing"),
        (Request("atary.gin"), "Did you mean 'atari.gin'"),
        (Request("atari.gin", ["Pongg"]), "Did you mean 'Pong'"),
        (Request("atari.gin", seeds="3-1"), "--seeds=3-1: write numbers and ascending ranges"),
        (Request("atari.gin", seeds="a"), "--seeds=a"),
        (Request("atari.gin", seeds="-1"), "--seeds=-1"),
        (Request("atari.gin", seeds="2147483648"), "--seeds=2147483648"),
        (Request("atari.gin", seeds=","), "--seeds is empty"),
        (Request("atari.gin", ["@atari55"], "0-99999"), "5,500,000 runs, more than 100,000"),
        (Request("atari.gin", vary=["kl_scale"]), "--vary=kl_scale: write a gin parameter"),
        (Request("atari.gin", vary=["A.b="]), "--vary=A.b=: write a gin parameter"),
        (Request("atari.gin", vary=["A.b=1,"]), "--vary=A.b=1,"),
        (Request("atari.gin", vary=["Runner.num_iterations=1,2"]), "may change during a run"),
        (Request("atari.gin", gin_bindings=["AtariEnvironment.sticky=1"]), "no parameter 'sticky'"),
        (
            Request("atari.gin", vary=["AtariEnvironment.action_repeat=4,0"]),
            "AtariEnvironment.action_repeat",
        ),
    ],
)
def test_what_cannot_be_run_is_told_before_anything_starts(request_, words):
    with pytest.raises(UserError) as caught:
        plan.make(request_)
    assert words in caught.value.sentence


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A.b=1, 2,1", ["A.b=1", "A.b=2"]),
        ("A.b=(1, 2),[3,4]", ["A.b=(1, 2)", "A.b=[3,4]"]),
        ("s/A.b='x,y',\"it's\"", ["s/A.b='x,y'", 's/A.b="it\'s"']),
        ("A.b={'a': (1,2)},@f()", ["A.b={'a': (1,2)}", "A.b=@f()"]),
    ],
)
def test_values_are_split_outside_of_brackets_and_quotes(text, values):
    assert plan.split_variation(text) == values


def test_a_plan_loads_neither_tensorflow_nor_jax():
    code = (
        "import sys; from dreamer_tf.sweeps import driver, plan, report\n"
        "plan.make(plan.Request('atari.gin;rainbow.gin', ['@atari5'], '0-1'))\n"
        "assert not {'tensorflow', 'jax', 'keras', 'dopamine', 'ray'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_too_many_combinations_are_counted_and_not_made():
    """Six times twenty values: their product did not fit into memory."""
    values = ",".join(map(str, range(20)))
    vary = [f"WorldModel.kl_scale{k or ''}={values}" for k in range(6)]
    with pytest.raises(UserError, match=r"The sweep has 64,000,000 runs, more than"):
        plan.make(Request(configs="atari_small.gin", vary=vary))


def test_a_parameter_that_may_change_is_known_by_its_whole_name():
    name = "dopamine.discrete_domains.run_experiment.Runner.num_iterations"
    with pytest.raises(UserError, match="may change during a run"):
        plan.split_variation(f"{name}=1,2")
