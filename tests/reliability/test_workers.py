"""Workers that are killed again and again: the run ends as if nothing had happened."""

import os
import random
import signal
import time

import pytest

from tests.several_workers import assert_done, result, train

KILLS = min(10, int(os.environ.get("KILLS", "10")))
LONG = f"Runner.num_iterations={6 + 2 * KILLS}"


@pytest.mark.chaos
@pytest.mark.timeout(KILLS * 300 + 900)
def test_killed_at_random_moments_the_run_ends_as_if_undisturbed(tmp_path):
    with train(tmp_path, LONG, base_dir="whole") as workers:
        assert_done(workers)
    rng = random.Random(os.environ.get("SEED", time.time_ns()))
    kills = 0
    while kills < KILLS:
        with train(tmp_path, LONG) as workers:
            # Not before they are connected: then the others wait for a worker that may still come.
            workers.wait_for(lambda workers=workers: "schedule" in workers.outputs()[0])
            victim, moment = rng.randrange(2), rng.uniform(0, 8)
            time.sleep(moment)
            if any(process.poll() is not None for process in workers.processes):
                assert_done(workers)  # the run ended before
                break
            workers.processes[victim].kill()
            started = time.monotonic()
            codes = workers.end()
            # A worker that compiles notices it only then, and here two of them share the cores.
            assert time.monotonic() - started < 240
            print(f"kill {kills}: worker {victim} after {moment:.2f} s, exit codes {codes}")
            # Where the other one has just ended by itself, nobody was missing.
            assert codes[victim] == -signal.SIGKILL and codes[1 - victim] in (75, 0)
            kills += 1
    with train(tmp_path, LONG) as workers:
        assert_done(workers)
    assert result(tmp_path / "run") == result(tmp_path / "whole")
    assert kills >= min(KILLS, 3)
