"""Each promise has a test that fails without its mechanism.

Every mechanism is taken out of a copy of the source, and its test must fail there. `make chaos`
runs this; docs/reliability.md describes the mechanisms.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KILL = "tests/reliability/test_kill.py::test_killed_while_saving_and_at_a_random_moment"

# What is taken out: file, text, what stands there instead, and the test that must notice.
MECHANISMS = {
    "logs are cut back to the checkpoint": (
        "storage/log_files.py",
        "for name, size in sizes(base_dir).items():",
        "for name, size in ():",
        KILL,
    ),
    "phases are seeded from the run seed": (
        "experiment/phases.py",
        "entropy = [seed, iteration, PHASES.index(mode), interruptions]",
        "entropy = None",
        KILL,
    ),
    "the state of the random numbers is stored": (
        "agents/dreamer_v2.py",
        'self._rng.bit_generator.state = state["rng"]',
        "pass",
        "tests/agents/test_dreamer_v2.py::test_resume_within_the_random_start_is_bit_identical",
    ),
    "a checkpoint is written beside its place": (
        "storage/checkpoints.py",
        'partial = final.with_name(f".{final.name}.partial")',
        "partial = final",
        "tests/storage/test_checkpoints.py::test_an_unfinished_write_is_not_a_checkpoint",
    ),
    "checksums": (
        "storage/checkpoints.py",
        "self._compare(self.path(number) / name, manifest.files[name], name)",
        "pass",
        "tests/storage/test_checkpoints.py::test_damaged_checkpoints_are_passed_over",
    ),
    "no good checkpoint is an error": (
        "storage/checkpoints.py",
        "        if numbers:\n            raise UserError(",
        "        if False:\n            raise UserError(",
        "tests/storage/test_checkpoints.py::test_no_good_checkpoint_is_an_error",
    ),
    "arrays are loaded without objects": (
        "storage/arrays.py",
        "if kind.hasobject or kind.kind not in _KINDS or",
        "if",
        "tests/storage/test_checkpoints.py::test_pickled_arrays_are_never_loaded",
    ),
    "a signal is noticed": (
        "experiment/guard.py",
        "        if self._stop.requested:\n            raise Interrupted\n",
        "",
        "tests/experiment/test_runner.py::test_interrupt_saves_in_the_middle_of_a_phase",
    ),
    "the second signal ends the process": (
        "experiment/signals.py",
        "os._exit(128 + number)",
        "pass",
        "tests/experiment/test_signals.py::test_the_second_signal_ends_the_process_at_once",
    ),
    "the disk's space is checked": (
        "replay/ring.py",
        "if missing > free and",
        "if False and",
        "tests/replay/test_ring.py::test_too_little_disk_is_a_user_error_with_the_size",
    ),
    "a full disk is told from other errors": (
        "storage/disk.py",
        "except ERRORS as error:",
        "except ZeroDivisionError as error:",
        "tests/experiment/test_runner.py::test_a_full_disk_is_named",
    ),
    "the base directory is locked": (
        "storage/locking.py",
        "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        "tests/experiment/test_launch.py::test_a_directory_is_used_by_one_process",
    ),
    "bad gradients are not applied": (
        "networks/optimizer.py",
        "finite = tf.math.is_finite(norm)",
        "finite = tf.constant(True)",
        "tests/networks/test_optimizer.py::test_a_bad_gradient_changes_nothing",
    ),
    "bad updates stop the run": (
        "agents/updates.py",
        "if self.in_a_row >= self._limit:",
        "if False:",
        "tests/agents/test_dreamer_v2.py::test_updates_that_stay_non_finite_stop_the_run",
    ),
    "a failing environment is restarted": (
        "experiment/guard.py",
        "        if not self._restarts_left:\n            raise failure",
        "        raise failure",
        "tests/experiment/test_rollout.py::test_a_failed_environment_is_restarted",
    ),
    "what an environment delivers is checked": (
        "environments/interface.py",
        '    if not _is_finite(reward):\n        raise ValueError(f"the reward is {reward}")',
        "    return",
        "tests/experiment/test_rollout.py::test_what_an_environment_delivers_is_checked",
    ),
    "another configuration is refused": (
        "experiment/gin_files.py",
        "if old != new and key not in CHANGEABLE:",
        "if False:",
        "tests/experiment/test_gin_files.py::test_the_directory_of_another_run_is_not_used",
    ),
    "the configuration of a run imports nothing": (
        "experiment/gin_files.py",
        "    trust.check(text, path)",
        "    pass",
        "tests/experiment/test_gin_files.py::test_the_configuration_of_a_run_imports_nothing",
    ),
    "references of a run are allow-listed": (
        "experiment/trust.py",
        "if not ours or short not in allowed:",
        "if False:",
        "tests/attacks/test_untrusted.py::test_the_configuration_of_a_stranger_is_refused",
    ),
    "packages that a run names are allow-listed": (
        "experiment/trust.py",
        "if package not in PACKAGES:",
        "if False:",
        "tests/attacks/test_untrusted.py::test_the_configuration_of_a_stranger_is_refused",
    ),
    "every way out of an environment is a failure": (
        "experiment/guard.py",
        "        except BaseException as error:\n            if self._stop.requested:",
        "        except Exception as error:\n            if self._stop.requested:",
        "tests/attacks/test_environments.py::test_every_way_out_of_an_environment_is_its_failure",
    ),
    "a step that hangs is ended": (
        "experiment/deadline.py",
        "        if self._seconds:",
        "        if False:",
        "tests/experiment/test_deadline.py::test_a_call_that_hangs_is_ended",
    ),
    "children end with their parent": (
        "environments/lifeline.py",
        "        os._exit(1)",
        "        pass",
        "tests/environments/test_lifeline.py::"
        "test_a_busy_child_ends_when_the_connection_closes_and_not_by_signals",
    ),
    "streams that cannot be written are silent": (
        "experiment/streams.py",
        "            self._give_up(error)\n            return len(text)",
        "            raise",
        "tests/experiment/test_streams.py::test_the_work_is_done_wherever_the_streams_lead",
    ),
    "overwritten steps are forgotten": (
        "replay/episode_replay.py",
        "lost=max(0, int(head) - self._ring.rows)",
        "lost=0",
        "tests/replay/test_episode_replay.py::test_resume_never_shows_overwritten_steps",
    ),
    "files of Dopamine's replay are verified": (
        "storage/checkpoints.py",
        'self._compare(self.directory.parent / name, written, f"{name}, which it needs,")',
        "pass",
        "tests/agents/test_dopamine_replay.py::test_a_damaged_file_of_the_replay_is_passed_over",
    ),
}


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_mechanism_and_test_are_where_the_entry_says(mechanism):
    file, old, _, test = MECHANISMS[mechanism]
    assert (ROOT / "dreamer_tf" / file).read_text().count(old) == 1, f"{file} has changed"
    path, _, name = test.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text()


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_without_it_a_test_fails(mechanism, tmp_path):
    file, old, new, test = MECHANISMS[mechanism]
    ignored = shutil.ignore_patterns(".git", ".venv", "runs", "*.egg-info", "__pycache__")
    copy = shutil.copytree(ROOT, tmp_path / "copy", ignore=ignored)
    path = copy / "dreamer_tf" / file
    text = path.read_text()
    path.write_text(text.replace(old, new))
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", test],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert result.returncode == 1 and " failed" in result.stdout, result.stdout[-2000:]
