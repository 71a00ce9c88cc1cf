"""What the tests of several devices do in a process of its own.

TensorFlow makes logical CPUs only before it starts, so these functions run as
`python -m tests.several_devices <number of devices> <function> <arguments>`.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np


def on_devices(count, function, *arguments):
    """Runs a function of this module on so many logical CPUs; returns what it printed."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.several_devices", str(count), function, *map(str, arguments)],
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def replica_arrays(learner):
    """Every variable of every replica, as one dict each."""
    local = learner._strategy.experimental_local_results
    found = [{} for _ in range(learner.num_replicas)]
    for name, variable in learner.variables().items():
        values = local(variable)
        assert len(values) == len(found), name
        for arrays, value in zip(found, values, strict=True):
            arrays[name] = value.numpy()
    return found


def assert_replicas_equal(learner):
    """Weights, moments and counters of all replicas are the same bits."""
    first, *others = replica_arrays(learner)
    for number, arrays in enumerate(others, 1):
        for name, value in first.items():
            assert arrays[name].tobytes() == value.tobytes(), (number, name)
    return first


def learn(path, updates, *bindings):
    """Makes updates, compares the replicas, and stores the weights of the first one."""
    from tests.small_models import configure, make_learner, sequences

    configure(*bindings)
    learner = make_learner()
    for update in range(int(updates)):
        metrics = learner.update(sequences(size=4, seed=update))
        if update < 20 or update % 100 == 99:
            assert_replicas_equal(learner)
    assert learner.num_traces == 1
    np.savez(
        path,
        **assert_replicas_equal(learner),
        **{f"metrics/{name}": value.numpy() for name, value in metrics.items()},
    )


def learn_with_momentum(path):
    """Three updates with an optimizer rule from outside."""
    import gin

    from tests.networks.test_update_rules import Momentum

    gin.external_configurable(Momentum, module="tests_of_rules")
    learn(path, 3, "Optimizer.rule=@tests_of_rules.Momentum")


def planes(path):
    """Two updates; stores the log-odds that the decoder begins with."""
    from tests.small_models import configure, make_learner, sequences

    configure()
    learner = make_learner(planes=(5, 5, 2))
    for seed in range(2):
        learner.update(sequences(size=4, seed=seed, planes=(5, 5, 2)))
    np.save(path, assert_replicas_equal(learner)["decoder.planes.ones/log_odds"])


def skip(path, replica):
    """Gives one replica a reward that is not a number, between two good updates."""
    from dreamer_tf.agents.updates import NonFiniteGuard
    from tests.small_models import configure, make_learner, sequences

    configure()
    learner, guard = make_learner(), NonFiniteGuard(path, 10)
    learner.update(sequences(size=4))
    before = assert_replicas_equal(learner)
    batch = sequences(size=4, seed=1)
    batch.reward[int(replica) * 4 // learner.num_replicas] = np.nan
    metrics = {name: float(value) for name, value in learner.update(batch).items()}
    guard.check(learner.updates, batch, metrics)
    after = assert_replicas_equal(learner)
    for name, value in before.items():
        if "adam" in name and name.startswith("world_model"):
            assert after[name].tobytes() == value.tobytes(), name
    assert after["world_model/skipped"] == 1 and after["actor/skipped"] == 0
    assert np.isnan(metrics["model_gradient_norm"]) and np.isnan(metrics["reward_loss"])
    learner.update(sequences(size=4, seed=2))
    last = assert_replicas_equal(learner)
    assert last["world_model/adam/000.iteration"] == 2 and last["updates"] == 3
    print("named", guard.in_a_row, *Path(path).iterdir())


def gradients(path, *bindings):
    """Stores the gradients of a batch: Adam's first moments after a first step, times ten."""
    import tensorflow as tf

    from dreamer_tf.networks.distributions import StraightThroughOneHot
    from tests.small_models import configure, make_learner, sequences

    def mode(self, n, seed):
        logits = self.logits_parameter()
        return tf.one_hot(tf.argmax(logits, -1), logits.shape[-1], dtype=self.dtype)[None]

    # The most likely samples, as in the golden data: every replica has random numbers of its own.
    StraightThroughOneHot._draw = mode
    # Steps of length 0, so that the behavior learns in the same world model.
    rates = [f"{name}/Optimizer.learning_rate=0.0" for name in ("world_model", "actor", "critic")]
    configure("Optimizer.clip=0.0", *rates, *bindings)
    learner = make_learner()
    metrics = learner.update(sequences(size=4, length=8))
    arrays = {
        name: value * np.float32(10.0)
        for name, value in assert_replicas_equal(learner).items()
        if name.endswith("_momentum")
    }
    np.savez(path, **arrays, **{f"metrics/{key}": x.numpy() for key, x in metrics.items()})


def noise(path):
    """Stores what each replica draws where all have the same data."""
    import tensorflow as tf

    from dreamer_tf.agents.randomness import Stream, fold_seed
    from dreamer_tf.networks import replicas

    strategy = replicas.current()
    seed = fold_seed(3, Stream.UPDATE, 5)
    drawn = tf.function(
        lambda: strategy.run(lambda: tf.random.stateless_normal([4], replicas.fold_replica(seed)))
    )()
    alone = tf.random.stateless_normal([4], replicas.fold_replica(seed))
    np.save(path, np.stack([alone, *strategy.experimental_local_results(drawn)]))


def restored(base_dir, *bindings):
    """Compares every replica of a resumed run with the checkpoint, and trains on."""
    import gin

    from dreamer_tf.experiment import gin_files, launch
    from dreamer_tf.experiment.policy import load_policy
    from tests.helpers import bind

    gin_files.parse_recorded(base_dir, trust_imports=False)
    bind(*bindings)
    assert gin.query_parameter("Runner.num_iterations") == 2
    runner = launch.make_runner(base_dir, 0)
    agent = runner.agent
    _, checkpoint = runner.store.load_latest(expected=agent.expected())
    arrays = assert_replicas_equal(agent.learner)
    assert set(arrays) == set(checkpoint.arrays)
    for name, value in checkpoint.arrays.items():
        assert arrays[name].tobytes() == value.tobytes(), name
    before = agent.updates
    runner.run_experiment()
    assert_replicas_equal(agent.learner)
    print("went on with", agent.learner.num_replicas, "from", before, "to", agent.updates)
    runner.close()
    policy = load_policy(base_dir)  # in the same process, as `train_agent` does
    assert policy.agent.learner.num_replicas == 1
    assert policy.run_episode(seed=0)[1] > 0


def main(count, function, *arguments):
    """Sets the devices up and calls the function."""
    from dreamer_tf.experiment.devices import configure_devices

    several = {"strategy": "mirrored", "devices": int(count)} if int(count) > 1 else {}
    configure_devices(gpu=None, cpu_threads=1, **several)
    functions = (learn, learn_with_momentum, planes, skip, gradients, noise, restored)
    {known.__name__: known for known in functions}[function](*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
