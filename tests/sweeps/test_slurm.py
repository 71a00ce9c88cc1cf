"""Jobs of SLURM: a small scheduler of shell scripts takes the place of a cluster."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

# Importing it sets up logging anew. That closes the stream of absl's handler if pytest has put
# another one in its place meanwhile, so it must not happen inside of a test.
import submitit  # noqa: F401

from dreamer_tf.errors import UserError
from dreamer_tf.sweeps import driver, slurm, worker
from dreamer_tf.sweeps.engine import Resources
from tests.sweeps.test_worker import WAITS, job, program  # noqa: F401 - fixtures

# sbatch starts every job of the array at once, and writes down what it was given.
SBATCH = """#!/bin/bash
cp "$1" {directory}/submitted.sh
echo x >> {directory}/calls
tasks=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\)%.*/\\1/p' "$1")
for task in $(seq 0 ${{tasks:-0}}); do
  SLURM_JOB_ID=$((77 + task)) SLURM_ARRAY_JOB_ID=77 SLURM_ARRAY_TASK_ID=$task \\
    bash "$1" > {directory}/output-$task 2>&1 < /dev/null &
  echo $! >> {directory}/processes
done
echo "Submitted batch job 77"
"""
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do
  if [[ $1 == --unbuffered ]]; then shift; else shift 2; fi
done
exec "$@"
"""
SQUEUE = "#!/bin/bash\ncat {directory}/queue 2> /dev/null; true\n"


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A directory with the programs of SLURM on the path."""
    directory = tmp_path / "slurm"
    directory.mkdir()
    for name, text in (("sbatch", SBATCH), ("srun", SRUN), ("squeue", SQUEUE)):
        path = directory / name
        path.write_text(text.format(directory=directory) if name != "srun" else text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return directory


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90),
        ("90:30", 91),
        ("12:00:00", 720),
        ("1-0", 1440),
        ("2-12", 3600),
        ("1-12:30", 2190),
        ("1-00:00:01", 1441),
        ("0:10", 1),
    ],
)
def test_times_are_those_of_slurm(text, minutes):
    assert slurm.parse(f"--time={text}")["time"] == minutes


def test_other_options_go_to_sbatch_as_they_are():
    found = slurm.parse("--partition=gpu --time=60 --mem=8G --exclusive --comment='a b'")
    assert found == {
        "time": 60,
        "additional_parameters": {
            "requeue": True,
            "partition": "gpu",
            "mem": "8G",
            "exclusive": True,
            "comment": "a b",
        },
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("-p gpu", "'-p' is no option"),
        ("--time=soon", "no time of SLURM"),
        ("--comment='x", "No closing quotation.*close its quotes"),
        ("--partition=gpu", "--slurm has no time limit: add --time"),
        ("--time=60 --array=0-3", "--array is set by the sweep itself: leave it out"),
        ("--time=60 --signal=KILL@3", "--signal is set by the sweep itself"),
    ],
)
def test_an_option_that_cannot_be_read_is_told(options, words):
    with pytest.raises(UserError, match=words):
        slurm.parse(options)


def test_without_slurm_the_user_hears_where_to_call_it(sweep, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="no SLURM on this machine"):
        driver.submit(sweep, Resources(), "--time=60", 2)


@pytest.mark.ci
def test_an_array_is_submitted_once_and_runs_every_run(sweep, cluster, capsys):
    """Real processes of `train`, which fail at once, because their module does not exist."""
    runs = [run._replace(arguments=(*run.arguments, "--import=nowhere")) for run in sweep.runs]
    sweep = sweep._replace(runs=runs)
    options = "--partition=gpu --time=1:00:00"
    assert driver.submit(sweep, Resources(cpus_per_run=2.5, gpus_per_run=0.5), options, 0) == 0
    text = (cluster / "submitted.sh").read_text()
    for line in ("partition=gpu", "time=60", "cpus-per-task=3", "gpus-per-node=1", "array=0-3%4"):
        assert f"#SBATCH --{line}\n" in text, text
    assert "#SBATCH --requeue\n" in text and "#SBATCH --signal=USR2@90\n" in text
    (cluster / "queue").write_text("".join(f"77_{number}\n" for number in range(4)))
    assert driver.submit(sweep, Resources(), options, 0) == 0
    assert (cluster / "calls").read_text() == "x\n"
    assert "0 jobs to SLURM; 4 were queued already" in capsys.readouterr().out
    end = time.monotonic() + 120
    while any(sweep.home.outcome(run) is None for run in runs):
        assert time.monotonic() < end, [path.read_text() for path in cluster.glob("output-*")]
        time.sleep(0.1)
    for state in driver.look(sweep):
        assert state.kind == "failed" and "--import=nowhere cannot be imported" in state.sentence


def test_before_its_end_a_job_saves_and_queues_up_again(job, program, monkeypatch):  # noqa: F811
    """submitit calls `checkpoint` in the handler of SIGUSR2, while the job waits."""
    program(WAITS)
    task = slurm.Task(job, retries=0)
    again = []
    handler = signal.signal(signal.SIGUSR2, lambda *_: again.append(task.checkpoint()))
    code = (
        f"import os, signal, time; from pathlib import Path; log = Path({job.log!r})\n"
        "while not log.exists() or 'listening' not in log.read_text():\n    time.sleep(0.02)\n"
        f"os.kill({os.getpid()}, signal.SIGUSR2)"
    )
    sender = subprocess.Popen([sys.executable, "-c", code])
    # Afterwards the process is gone, and it is not started again here.
    monkeypatch.setattr(slurm, "again", lambda *_: False)
    outcome = task()
    sender.wait()
    signal.signal(signal.SIGUSR2, handler)
    assert outcome.code == 75 and again[0].function._job == job


def test_a_run_that_was_saved_goes_on_in_the_same_job(job, program):  # noqa: F811
    program("open('n', 'a').write('x'); raise SystemExit(75 * (len(open('n').read()) < 3))")
    assert slurm.Task(job, retries=0)().code == 0
    assert Path("n").read_text() == "xxx"


def test_a_failure_is_tried_again_as_often_as_stated(job, program):  # noqa: F811
    program("open('n', 'a').write('x'); raise SystemExit(1)")
    assert slurm.Task(job, retries=2)().code == 1
    assert Path("n").read_text() == "xxx"


def test_a_saved_run_is_not_started_again_where_the_sweep_stops(job, program):  # noqa: F811
    program(f"open('n', 'a').write('x'); open({job.stop_file!r}, 'w'); raise SystemExit(75)")
    assert slurm.Task(job, retries=2)().code == 75
    assert Path("n").read_text() == "x"


def test_worker_processes_ignore_the_notice_of_slurm(job, program):  # noqa: F811
    program("import os, signal; os.kill(os.getpid(), signal.SIGUSR2); print('alive'); exit(1)")
    assert worker.train(job).sentence == "alive"
