"""Dopamine's replay buffer: what it stores, and its files beside the checkpoints."""

import gin
import numpy as np
import pytest
from dopamine.jax.replay_memory.accumulator import TransitionAccumulator
from dopamine.jax.replay_memory.elements import TransitionElement

from dreamer_tf.agents.dopamine_replay import ReplayFiles
from dreamer_tf.errors import UserError
from dreamer_tf.experiment.runner import DreamerRunner
from tests.agents.dopamine_runs import Frames, parse, run, stored


@pytest.fixture
def small_dqn():
    parse("dqn", "JaxDQNAgent.stack_size=2")


def test_what_truncation_and_termination_leave_in_the_replay(small_dqn, tmp_path):
    """Nothing is bootstrapped across an end, and only a termination counts as one.

    Of Dopamine's replay it also shows what docs/dopamine.md says: the last reward of an episode
    is in no one-step transition, and the one before it carries the flag.
    """
    gin.bind_parameter("ReplayBuffer.max_capacity", 1000)
    run(tmp_path, 1)
    runner = DreamerRunner(tmp_path, Frames, seed=3)
    elements = [e.unpack() for e in runner.agent.dopamine._replay._memory.values()]

    def steps(stack):
        """The step that each image of a stack shows, by the column of its square."""
        return [int(image.any(0).argmax()) for image in np.moveaxis(stack, -1, 0)]

    ends = set()
    for element in elements:
        (_, before), (_, after) = steps(element.state), steps(element.next_state)
        assert after == before + 1  # within one episode
        if element.is_terminal:
            ends.add(after)
        assert before <= 7  # 9 steps, of which the last observation never arrives
    assert ends == {5}  # of the episodes of six steps; those of nine were truncated


@pytest.mark.parametrize("terminated", [True, False])
def test_three_step_returns_end_with_the_episode(terminated):
    """What docs/dopamine.md says of n = 3, from Dopamine's accumulator alone: rewards 1 to 8."""
    accumulator = TransitionAccumulator(stack_size=4, update_horizon=3, gamma=1.0)
    stored = []
    for step in range(1, 9):
        last = step == 8
        image = np.full((2, 2), step - 1, np.uint8)
        element = TransitionElement(image, 0, float(step), last and terminated, last)
        stored += list(accumulator.accumulate(element))
    found = [(x.state[0, 0].tolist(), x.reward, bool(x.is_terminal)) for x in stored]
    if not terminated:  # no return across the end, and no flag
        assert found[-1] == ([1, 2, 3, 4], 5.0 + 6.0 + 7.0, False)
        assert not any(flag for _, _, flag in found)
        return
    flagged = [(stack[-1], reward) for stack, reward, flag in found if flag]
    assert flagged == [(4, 18.0)] * 4 + [(5, 21.0), (6, 15.0)]
    assert [stack for stack, _, _ in found[-2:]] == [[0, 0, 0, 5], [0, 0, 0, 6]]


def elements(base_dir):
    return sorted((base_dir / "replay").iterdir())


def test_files_that_no_checkpoint_needs_are_removed(small_dqn, tmp_path):
    """45 steps an iteration, of which 39 make transitions; the buffer holds 50 of them."""
    gin.bind_parameter("DreamerRunner.checkpoints_kept", 1)
    run(tmp_path, 3)
    assert len(elements(tmp_path)) == 2
    (tmp_path / "replay/elements-000000000117-000000000150.npz").touch()  # killed before the save
    resumed = run(tmp_path, 4)
    assert len(resumed.agent.dopamine._replay._memory) == 50
    assert len(elements(tmp_path)) == 2
    gin.bind_parameter("DreamerRunner.checkpoints_kept", 3)
    run(tmp_path, 7)
    assert len(elements(tmp_path)) == 4  # the oldest of three needs two of them


def test_a_damaged_file_of_the_replay_is_passed_over(small_dqn, tmp_path, caplog):
    """The checkpoint that needs it is damaged, and the one before it is used."""
    whole = stored(run(tmp_path / "whole", 3))[0]
    run(tmp_path / "run", 2)
    newest = elements(tmp_path / "run")[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    again = stored(run(tmp_path / "run", 3))[0]
    assert "which it needs, has changed since" in caplog.text
    for name, array in whole.items():
        np.testing.assert_array_equal(array, again[name], err_msg=name)
    for path in elements(tmp_path / "run"):
        path.unlink()
    with pytest.raises(UserError, match=r"None of the \d checkpoints .* can be read"):
        run(tmp_path / "run", 4)


def test_elements_survive_the_files(small_dqn, tmp_path):
    """A resumed buffer must deliver the same numbers, actions in the same type."""
    buffer = run(tmp_path, 1).agent.dopamine._replay
    files = ReplayFiles(tmp_path / "copy", buffer)
    written = files.save()
    before = dict(buffer._memory)
    ReplayFiles(tmp_path / "copy", buffer).restore(written, buffer.add_count)
    assert list(buffer._memory) == list(before)
    for key, element in before.items():
        restored = buffer._memory[key]
        assert restored.action == element.action and restored.action.dtype == element.action.dtype
        for field in ("reward", "is_terminal", "episode_end"):
            assert getattr(restored, field) == getattr(element, field), field
        np.testing.assert_array_equal(restored.unpack().state, element.unpack().state)


@pytest.mark.parametrize("name", ["replay/elements-5.npz", "replay/other.npz"])
def test_a_file_with_another_name_is_no_file_of_elements(small_dqn, tmp_path, name):
    buffer = run(tmp_path, 1).agent.dopamine._replay
    with pytest.raises(ValueError, match="name of a file of elements"):
        ReplayFiles(tmp_path, buffer).restore({name: {}}, 5)
