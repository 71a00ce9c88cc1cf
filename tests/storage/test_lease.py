"""Two hosts that both believe they own a run must not both write."""

import os
import signal
import subprocess
import sys
import time

import pytest

from dreamer_tf.errors import UserError
from dreamer_tf.storage import lease
from dreamer_tf.storage.lease import Lease, Surroundings


class Machine:
    """A host with a clock that a test turns; waiting turns it too."""

    def __init__(self, host):
        self.now, self.ended = 1000.0, []
        self.surroundings = Surroundings(
            host, f"boot of {host}", self.clock, self.ended.append, self.wait
        )

    def clock(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


def take(base_dir, machine, seconds=60.0):
    return Lease(base_dir, seconds, machine.surroundings)


def abandon(owner):
    """Ends the heartbeat without giving the lease back, as the loss of a node does."""
    owner._closed.set()


def files(base_dir):
    return sorted(os.listdir(base_dir / "lease"))


def test_the_next_process_of_a_kernel_gets_the_lease_at_once(tmp_path):
    machine = Machine("a")
    abandon(take(tmp_path, machine))
    take(tmp_path, machine).close()  # flock has decided before
    assert files(tmp_path) == ["000002.json"] and machine.now == 1000


def test_a_lease_that_was_given_back_is_free_at_once(tmp_path):
    take(tmp_path, Machine("a")).close()
    other = Machine("b")
    take(tmp_path, other).close()
    assert files(tmp_path) == ["000002.json"] and other.now == 1000


def test_another_host_waits_for_a_whole_lease_without_a_heartbeat(tmp_path, capsys):
    abandon(take(tmp_path, Machine("a"), seconds=6.0))
    os.utime(tmp_path / "lease/000001.json", (0, 0))  # wall clocks say nothing
    other = Machine("b")
    took = take(tmp_path, other, seconds=6.0)
    took.close()
    assert other.now >= 1006
    assert f"Waiting up to 6 s: process {os.getpid()} on a" in capsys.readouterr().err


@pytest.mark.parametrize("age", [0, 10**6])
def test_a_heartbeat_keeps_other_hosts_out(tmp_path, age):
    owner = take(tmp_path, Machine("a"), seconds=6.0)
    other = Machine("b")

    def wait(seconds):
        if other.now > 1003:
            owner.renew()
            stamp = time.time() - age
            os.utime(tmp_path / "lease/000001.json", (stamp, stamp))
        other.wait(seconds)

    with pytest.raises(UserError, match=r"in use by another process \(process \d+ on a\)"):
        Lease(tmp_path, 6.0, other.surroundings._replace(wait=wait))
    owner.close()
    assert files(tmp_path) == ["000001.json"]


def test_of_two_that_take_over_one_wins(tmp_path, monkeypatch):
    abandon(take(tmp_path, Machine("a"), seconds=6.0))
    make_directory = lease.make_directory

    def second(path):
        monkeypatch.setattr(lease, "make_directory", make_directory)
        take(tmp_path, Machine("c")).close()

    monkeypatch.setattr(lease, "make_directory", second)
    with pytest.raises(UserError, match="on c"):
        take(tmp_path, Machine("b"))


def test_a_host_that_slept_while_others_took_over_does_not_count(tmp_path, monkeypatch):
    abandon(take(tmp_path, Machine("a"), seconds=6.0))
    make_directory = lease.make_directory

    def others(path):
        monkeypatch.setattr(lease, "make_directory", make_directory)
        abandon(take(tmp_path, Machine("c")))
        abandon(take(tmp_path, Machine("d")))

    monkeypatch.setattr(lease, "make_directory", others)
    with pytest.raises(UserError, match="on d"):
        take(tmp_path, Machine("b"))
    assert files(tmp_path) == ["000003.json"]


def test_an_owner_that_cannot_renew_ends_at_half_of_the_lease(tmp_path, monkeypatch):
    machine = Machine("a")
    owner = take(tmp_path, machine)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lease, "write_all", full)
    machine.now += 29
    with pytest.raises(OSError):
        owner.renew()
    owner.check()
    assert not machine.ended
    machine.now += 1
    owner.check()
    assert "could not be renewed for 30 s" in machine.ended[0]
    owner.close()
    owner.check()


def test_an_owner_ends_when_another_has_taken_over(tmp_path):
    machine = Machine("a")
    owner = take(tmp_path, machine)
    take(tmp_path, machine).close()
    owner.renew()
    assert "another host has taken this run over" in machine.ended[0]
    owner.close()
    assert files(tmp_path) == ["000002.json"]


def test_who_runs_is_seen_until_the_process_has_ended(tmp_path):
    assert lease.running(tmp_path) is None
    owner = Lease(tmp_path)
    assert lease.running(tmp_path).process == os.getpid()
    owner.close()
    assert lease.running(tmp_path) is None
    abandon(take(tmp_path, Machine("elsewhere")))
    assert lease.running(tmp_path).host == "elsewhere"
    os.utime(tmp_path / "lease/000002.json", (0, 0))
    assert lease.running(tmp_path) is None


def test_a_process_that_was_killed_does_not_run(tmp_path):
    code = "import os, sys; from dreamer_tf.storage.lease import Lease\nLease(sys.argv[1])\n"
    code += "os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert files(tmp_path) == ["000001.json"] and lease.running(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", '{"host": 1}', "[" * 500, "null"])
def test_a_damaged_lease_is_one_without_heartbeat(tmp_path, text):
    (tmp_path / "lease").mkdir()
    (tmp_path / "lease/000001.json").write_text(text)
    machine = Machine("b")
    take(tmp_path, machine).close()
    assert machine.now >= 1060 and files(tmp_path) == ["000002.json"]


OWNER = """
import os, signal, sys
from pathlib import Path
from dreamer_tf.storage import lease

base_dir, host, stops = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "stops"
clock = lambda: float((base_dir / "clock").read_text())
machine = lease.this_machine()._replace(host=host, boot=host, clock=clock)
owner = lease.Lease(base_dir, 6.0, machine)
journal = os.open(base_dir / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for step in range(1000):
    if stops and step == 5:
        os.kill(os.getpid(), signal.SIGSTOP)
    owner.check()
    os.write(journal, host.encode())
    if not stops and step == 5:
        break
owner.close()
"""


def test_two_processes_and_a_clock_that_is_turned(tmp_path):
    """The first is stopped, as with its machine; the second takes over; the first wakes up."""

    def start(host, stops):
        command = [sys.executable, "-c", OWNER, str(tmp_path), host, stops]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    (tmp_path / "clock").write_text("100")
    first = start("a", "stops")
    os.waitid(os.P_PID, first.pid, os.WSTOPPED)
    second = start("b", "goes on")
    while lease.newest(tmp_path)[0] == 1:
        # Turned while the second one looks, however long it takes to start.
        now = float((tmp_path / "clock").read_text())
        (tmp_path / "turned").write_text(str(now + 1))
        os.replace(tmp_path / "turned", tmp_path / "clock")
        time.sleep(0.05)
    assert second.wait(timeout=60) == 0, second.stderr.read()
    first.send_signal(signal.SIGCONT)
    assert first.wait(timeout=60) == lease.AGAIN
    assert "stopped." in first.stderr.read()  # by whichever of its threads looks first
    assert (tmp_path / "journal").read_text() == 5 * "a" + 6 * "b"
