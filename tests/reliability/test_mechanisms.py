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
        "_exit(128 + number)",
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
        "        if not self._restarts_left or isinstance(failure.__cause__, UserError):\n"
        "            raise failure",
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
        "        except BaseException as error:\n            if self._stop.asked:",
        "        except Exception as error:\n            if self._stop.asked:",
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
    "a write that is cut short is completed": (
        "storage/files.py",
        "data, offset = memoryview(data)[count:], offset + count",
        "return",
        "tests/attacks/test_bytes_disk.py::test_a_write_that_is_cut_short_is_completed",
    ),
    "space is reserved before it is needed": (
        "replay/ring.py",
        "reserve(self._files[key], start * size, (end - slot) * size)",
        "pass",
        "tests/attacks/test_bytes_disk.py::test_space_is_taken_in_chunks_ahead_and_not_at_the_start",
    ),
    "a missing file of the replay is not made anew": (
        "replay/episode_replay.py",
        'if self._ring.missing and any(saved["count"] for saved in state["streams"]):',
        "if False:",
        "tests/attacks/test_bytes_replay.py::test_a_missing_file_is_refused_and_not_made_anew",
    ),
    "chunks of the replay have checksums": (
        "replay/integrity.py",
        "if self._digest(stream, start, start + steps) != expected:",
        "if False:",
        "tests/attacks/test_bytes_replay.py"
        "::test_possible_values_that_were_not_written_are_refused",
    ),
    "what the replay holds is possible": (
        "replay/integrity.py",
        "        (flags > 1).any()\n        or",
        "        False and",
        "tests/attacks/test_bytes_replay.py::test_impossible_values_are_refused",
    ),
    "a header is checked before anything is allocated": (
        "storage/arrays.py",
        "if member.tell() + nbytes != info.file_size:",
        "if False:",
        "tests/attacks/test_bytes_checkpoints.py::test_an_array_that_is_not_what_its_header_says",
    ),
    "compressed archives are refused": (
        "storage/arrays.py",
        "if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:",
        "if False:",
        "tests/attacks/test_bytes_checkpoints.py::test_an_archive_that_is_none",
    ),
    "weights are finite": (
        "storage/arrays.py",
        'if kind.kind in "fc" and not np.isfinite(array).all():',
        "if False:",
        "tests/attacks/test_bytes_states.py::test_weights_that_no_agent_saved_are_passed_over",
    ),
    "states are compared with a schema": (
        "storage/schema.py",
        "except (msgspec.ValidationError, RecursionError) as error:",
        "except ZeroDivisionError as error:",
        "tests/storage/test_schema.py::test_another_part_is_named",
    ),
    "damaged checkpoints do not count": (
        "storage/checkpoints.py",
        "good = [number for number in numbers if self._is_whole(number)]",
        "good = numbers",
        "tests/attacks/test_bytes_checkpoints.py"
        "::test_damaged_newer_checkpoints_do_not_push_out_good_older_ones",
    ),
    "links are not followed": (
        "storage/files.py",
        "flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC",
        "flags |= os.O_NONBLOCK | os.O_CLOEXEC",
        "tests/attacks/test_bytes_scores.py::test_only_a_regular_file_of_the_run_is_read",
    ),
    "places that libraries write into hold no links": (
        "storage/identity.py",
        "refuse_links(base_dir, _PLACES)",
        "pass",
        "tests/attacks/test_bytes_links.py"
        "::test_a_directory_that_is_a_link_is_refused_and_its_target_stays",
    ),
    "a run without its checkpoints does not start over": (
        "storage/identity.py",
        "if has_progress(base_dir) and not _has_checkpoints(base_dir):",
        "if False:",
        "tests/attacks/test_bytes_links.py"
        "::test_without_its_checkpoints_a_run_does_not_start_at_zero",
    ),
    "the directory is locked beside the file": (
        "storage/locking.py",
        "_lock(self._files[0], base_dir)",
        "pass",
        "tests/storage/test_locking.py::test_a_removed_lock_file_unlocks_nothing",
    ),
    "a process that lost its lease ends before it writes": (
        "experiment/runner.py",
        "self.lock.check()",
        "pass",
        "tests/experiment/test_runner.py::test_a_lost_directory_is_noticed_before_a_step_is_stored",
    ),
    "a signal removes what is temporary": (
        "storage/removal.py",
        "    for name in tuple(_unfinished):\n",
        "    for name in ():\n",
        "tests/experiment/test_signals.py::test_a_temporary_directory_does_not_outlive_the_process",
    ),
    "scratch is where the replay is": (
        "replay/episode_replay.py",
        "scratch = staging.place(directory) if scratch is None else scratch",
        "pass",
        "tests/reliability/test_kill.py::test_killed_on_a_node_and_continued_on_another",
    ),
    "a training ends with the worker that has started it": (
        "experiment/signals.py",
        "_exit(75)  # EX_TEMPFAIL",
        "return  # EX_TEMPFAIL",
        "tests/sweeps/test_worker.py::test_a_training_ends_with_its_worker",
    ),
    "steps that are made again are copied again": (
        "replay/staging.py",
        "        self._same[stream] = min(self._same[stream], step)\n        super().write",
        "        super().write",
        "tests/replay/test_staging.py::test_steps_that_were_made_again_are_copied_again",
    ),
    "an archive is written below one directory": (
        "storage/packing.py",
        'if path.is_absolute() or ".." in path.parts or',
        "if",
        "tests/storage/test_packing.py::test_what_no_run_holds_is_refused_and_nothing_stays",
    ),
    "a lease has one owner": (
        "storage/lease.py",
        "if highest != self._generation:",
        "if False:",
        "tests/storage/test_lease.py::test_a_host_that_slept_while_others_took_over_does_not_count",
    ),
    "errors inside gin's constructors keep their number": (
        "storage/os_errors.py",
        "        error = inner\n",
        "        break\n",
        "tests/storage/test_os_errors.py::test_an_error_inside_constructors_keeps_number_and_file",
    ),
    "a checkpoint needs the parts of all workers": (
        "experiment/parts.py",
        "        if needed:\n",
        "        if False:\n",
        "tests/experiment/test_parts.py"
        "::test_the_checkpoint_of_the_chief_needs_the_parts_of_the_others",
    ),
    "a worker keeps the part before the newest": (
        "experiment/parts.py",
        "kept = keep if group.is_chief else keep + 1",
        "kept = keep",
        "tests/experiment/test_parts.py"
        "::test_a_worker_keeps_the_part_before_the_newest_until_the_chief_has_completed_it",
    ),
    "workers stop together": (
        "experiment/group.py",
        "stop.at_once = workers.alone",
        "pass",
        "tests/experiment/test_group.py::test_a_signal_alone_stops_only_a_single_process",
    ),
    "cells are no formulas": (
        "scores/tables.py",
        'return f"\'{text}" if',
        "return text if",
        "tests/attacks/test_bytes_scores.py::test_no_cell_of_a_table_is_a_formula",
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
    # Options of this pytest, such as --basetemp, are not meant for the one inside.
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTEST_ADDOPTS": ""}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-m", "", "-p", "no:cacheprovider", test],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert result.returncode == 1 and " failed" in result.stdout, result.stdout[-2000:]
