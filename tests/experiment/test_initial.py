"""Runs that begin with weights of another run."""

import json
import shutil

import gin
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.errors import UserError
from dreamer_tf.experiment import gin_files, initial, launch, naming, trust
from dreamer_tf.experiment.policy import load_policy, train_agent
from dreamer_tf.storage import identity
from dreamer_tf.storage.checkpoints import CheckpointStore
from tests.helpers import TINY, ScriptedAgent, ScriptedEnvironment
from tests.small_models import everything


def make(directory, *settings, init_from=None, parts=None, seed=0, run=False):
    """A runner of a scripted environment, made as `train` does it."""
    gin.clear_config()
    settings = [*TINY, *settings, *initial.bindings(init_from, parts)]
    gin_files.parse(["atari_small.gin"], settings)
    gin.bind_parameter(launch.FACTORY, None)
    runner = launch.make_runner(str(directory), seed, ScriptedEnvironment, init_from=init_from)
    if run:
        runner.run_experiment()
    runner.close()  # unlocks the directory
    return runner


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    directory = tmp_path_factory.mktemp("source") / "run"
    make(directory, run=True)
    return directory


@pytest.fixture
def stored(source):
    return CheckpointStore(source / "checkpoints").load(1).arrays


def weights(runner, part):
    return {name: value.numpy() for name, value in runner.agent.weights(part).items()}


def is_equal(found, stored):
    return [np.array_equal(value, stored[name]) for name, value in found.items()]


def test_the_two_parts_are_all_weights_and_nothing_else(tmp_path):
    agent = make(tmp_path).agent
    model, behavior = set(agent.weights("world_model")), set(agent.weights("behavior"))
    assert model and behavior and not model & behavior
    rest = set(agent.learner.variables()) - model - behavior
    # Moments and counters belong to the other run's data.
    optimizers = {name for one in agent.learner.optimizers.values() for name in one.state}
    assert rest == optimizers | {"updates", "actor_critic/slow_updates"}


@pytest.mark.parametrize("parts", initial.PARTS)
def test_a_run_begins_with_the_parts_that_were_asked_for(tmp_path, source, stored, parts):
    own = make(tmp_path / "own", seed=3)
    runner = make(tmp_path / "run", init_from=source, parts=parts, seed=3)
    for part in ("world_model", "behavior"):
        found = weights(runner, part)
        if part in initial.PARTS[parts]:
            assert all(is_equal(found, stored))
        else:
            assert all(is_equal(found, weights(own, part)))
            assert not all(is_equal(found, stored))
    # Everything else is that of a new run: moments, counters, the replay.
    before, after = everything(own), everything(runner)
    rest = set(before.arrays) - set(own.agent.weights("world_model"))
    rest -= set(own.agent.weights("behavior"))
    assert rest and all(np.array_equal(before.arrays[k], after.arrays[k]) for k in rest)
    assert runner.agent.agent_steps == runner.agent.updates == 0


def test_the_policy_acts_with_the_weights_at_once(tmp_path, source):
    runner = make(tmp_path, "DreamerV2Agent.prefill_steps=0", init_from=source)
    runner.agent.eval_mode = True
    policy = load_policy(source, environment=ScriptedEnvironment())
    policy.agent._evaluation_steps = 0  # it counts the samples of the latents
    actions, states = [], []
    for agent in (runner.agent, policy.agent):
        actions.append(agent.begin_episode(ScriptedEnvironment().reset(seed=1)))
        states.append([np.asarray(value) for value in tf.nest.flatten(agent.policy_state)])
    assert actions[0] == actions[1]
    for left, right in zip(*states, strict=True):
        np.testing.assert_array_equal(left, right)


def test_the_run_says_what_it_began_with(tmp_path, source):
    runner = make(tmp_path, init_from=source, parts="world_model")
    said = json.loads((tmp_path / "run.json").read_text())
    steps = load_policy(source, environment=ScriptedEnvironment()).agent_steps
    assert said["init"] == {
        "from": str(source),
        "id": identity.facts(source)["id"],
        "parts": ["world_model"],
        "checkpoint": 1,
        "agent_steps": steps,
    }
    make(tmp_path, init_from=source, parts="world_model")
    assert f"initial weights world model of {source}, checkpoint 1" in launch.describe(runner)
    assert said["gin_hash"] != identity.facts(source)["gin_hash"]
    game, _, configuration = said["bindings"]["initial_weights.init_source"][1:-1].rpartition("-")
    name = naming.configuration_name(["catch.gin"], initial.bindings(source, "behavior"))
    assert name == f"catch+init_parts=behavior+init_source=Scripted-{configuration}"
    assert game == "Scripted" and identity.facts(source)["gin_hash"].startswith(configuration)


def test_a_resumed_run_keeps_its_own_weights_and_needs_no_other_run(tmp_path, source):
    other = shutil.copytree(source, tmp_path / "other")
    runner = make(tmp_path / "run", init_from=other, run=True)
    shutil.rmtree(other / "checkpoints")  # nothing can be loaded any more
    again = make(tmp_path / "run", init_from=other)
    for part in ("world_model", "behavior"):
        found = weights(again, part)
        assert all(is_equal(found, weights(runner, part)))
    assert again.agent.updates == runner.agent.updates > 0
    assert identity.facts(tmp_path / "run")["init"]["from"] == str(other)
    # As `--base_dir` alone does it.
    gin.clear_config()
    shutil.rmtree(other)
    trust.check((tmp_path / "run/config.gin").read_text(), "config.gin")
    gin_files.parse_recorded(tmp_path / "run")
    runner = launch.make_runner(str(tmp_path / "run"), 0, ScriptedEnvironment)
    assert runner.agent.updates and "initial weights" in launch.describe(runner)
    runner.close()


def test_a_run_without_a_checkpoint_needs_the_other_run_again(tmp_path, source):
    make(tmp_path, init_from=source)
    gin.clear_config()
    gin_files.parse_recorded(tmp_path)
    with pytest.raises(UserError, match=f"no checkpoint yet: add --init_from={source}"):
        launch.make_runner(str(tmp_path), 0, ScriptedEnvironment)
    make(tmp_path)  # a corrected configuration begins with weights of its own
    assert identity.facts(tmp_path)["init"] is None and initial.words(tmp_path) is None


def test_a_run_with_progress_takes_no_other_weights(tmp_path, source):
    make(tmp_path, run=True)
    with pytest.raises(UserError, match=r"init_parts was its default and is now 'both'"):
        make(tmp_path, init_from=source)


def test_names_and_shapes_that_do_not_fit_are_named_in_one_sentence(tmp_path, source):
    with pytest.raises(UserError, match=r"--init_from=.*mlp.* has shape .* and .* more") as found:
        make(tmp_path, "RSSM.units=9", init_from=source)
    assert "\n" not in found.value.sentence and "--init_parts" in found.value.sentence
    with pytest.raises(UserError, match=r"--init_from=.*another network: .* differ"):
        make(tmp_path, "MLP.num_layers=2", init_from=source, parts="behavior")
    assert not identity.has_progress(tmp_path) and not (tmp_path / "run.json").exists()
    # Sizes of the part that is not taken may differ.
    make(tmp_path, "actor/MLP.units=9", "critic/MLP.units=9", init_from=source, parts="world_model")


@pytest.mark.parametrize("file", ["arrays.npz", "state.json", "manifest.json"])
def test_a_damaged_checkpoint_is_named_and_an_older_one_is_taken(tmp_path, source, file):
    other = shutil.copytree(source, tmp_path / "other")
    shutil.copytree(other / "checkpoints/ckpt-000001", other / "checkpoints/ckpt-000002")
    path = other / "checkpoints/ckpt-000002" / file
    path.write_bytes(path.read_bytes()[:-3])
    make(tmp_path / "run", init_from=other)
    assert identity.facts(tmp_path / "run")["init"]["checkpoint"] == 1
    shutil.rmtree(other / "checkpoints/ckpt-000001")
    with pytest.raises(UserError, match="cannot be used"):
        make(tmp_path / "new", init_from=other)


def test_weights_that_are_not_finite_or_are_links_are_refused(tmp_path, source, stored):
    other = shutil.copytree(source, tmp_path / "other")
    checkpoint = CheckpointStore(other / "checkpoints").load(1)
    name = next(name for name in checkpoint.arrays if name.endswith("kernel"))
    checkpoint.arrays[name][:] = np.nan
    CheckpointStore(other / "checkpoints", keep=1).save(2, checkpoint)
    with pytest.raises(UserError, match="is not finite"):
        make(tmp_path / "run", init_from=other)
    shutil.rmtree(other / "checkpoints/ckpt-000002")
    (other / "checkpoints/ckpt-000002").symlink_to(source / "checkpoints/ckpt-000001")
    with pytest.raises(UserError, match="cannot be used"):
        make(tmp_path / "run", init_from=other)


def test_what_is_no_run_or_does_not_say_what_it_is_is_refused(tmp_path, source):
    with pytest.raises(UserError, match="there is no run in this directory"):
        initial.bindings(tmp_path, None)
    with pytest.raises(UserError, match="--init_parts=behavior needs a run"):
        initial.bindings(None, "behavior")
    with pytest.raises(UserError, match="is a URL"):
        initial.bindings("gs://bucket/run", None)
    for facts in (
        {"game": "Pong"},
        {"game": 3, "gin_hash": "0" * 16},
        {"game": "x", "gin_hash": 1},
    ):
        (tmp_path / "run.json").write_text(json.dumps(facts))
        with pytest.raises(UserError, match="does not say which game"):
            initial.bindings(tmp_path, None)
    shutil.copy(source / "run.json", tmp_path / "run.json")
    with pytest.raises(UserError, match="the run has no checkpoint yet"):
        make(tmp_path / "run", init_from=tmp_path)


def test_names_of_strangers_cannot_say_more_than_a_name(tmp_path):
    game = "'\nimport os\nx = '"
    (tmp_path / "run.json").write_text(json.dumps({"game": game, "gin_hash": "a" * 16}))
    found = initial.bindings(tmp_path, "both")
    gin_files.parse([], found)
    trust.check("\n".join(found), "config.gin")
    assert "\n" not in gin.query_parameter("initial_weights.init_source")


def test_an_agent_without_these_parts_says_so(tmp_path):
    agent = ScriptedAgent(None, None, base_dir=None, seed=0)
    with pytest.raises(UserError, match="Scripted has no behavior that another run could give"):
        agent.weights("behavior")


def test_training_from_python_begins_with_another_run(tmp_path, source, stored):
    rates = [f"{part}/Optimizer.learning_rate=0.0" for part in ("actor", "critic")]
    settings = [*TINY, *rates, "Optimizer.weight_decay=0.0"]
    call = {"base_dir": tmp_path, "gin_files": ["atari_small.gin"], "gin_bindings": settings}
    policy = train_agent(ScriptedEnvironment(), init_from=source, init_parts="behavior", **call)
    assert policy.agent.updates > 0  # which have changed nothing of the behavior
    found = {name: value.numpy() for name, value in policy.agent.weights("behavior").items()}
    still = {name: value for name, value in found.items() if "target" not in name}
    assert still and all(is_equal(still, stored))  # the target critic is a copy since the update
    again = train_agent(ScriptedEnvironment(), init_from=source, init_parts="behavior", **call)
    assert again.agent_steps == policy.agent_steps
