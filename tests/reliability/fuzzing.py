"""Throws damaged and crafted inputs at every parser, and watches what the parser does.

    python -m tests.reliability.fuzzing --inputs=1000000 --seed=0 --directory=/tmp/fuzz

An input is a good one with random changes, so that most of them get past the first check. A result
and a clean error are both right. Anything else is a finding: another exception, more than
`SECONDS` of computing or `WAITING` of anything, or a file opened for writing, removed or renamed
outside the directory. Prints one JSON line with the counts, and ends with 1 if there is a finding.
"""

import argparse
import collections
import contextlib
import copy
import io
import json
import os
import random
import signal
import sys
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gin
import gymnasium
import numpy as np

from dreamer_tf.agents import saved
from dreamer_tf.errors import UserError
from dreamer_tf.experiment import (
    gin_files,
    launch,  # noqa: F401, registers with gin all that a run can name
    trust,
)
from dreamer_tf.experiment.saved import check_runner
from dreamer_tf.replay.episode_replay import EpisodeReplay
from dreamer_tf.scores import score_files
from dreamer_tf.settings import bindings
from dreamer_tf.storage import arrays, identity, schema
from dreamer_tf.storage.checkpoints import Checkpoint, CheckpointStore, DamagedCheckpoint
from dreamer_tf.storage.files import fingerprint

SECONDS = 5
WAITING = 60  # seconds; a process that shares its core with others can stand still for some
TOKENS = (
    *(b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"\\u0000", b"\\ud800", b"\x00", b"\xff"),
    *(b"\n", b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-1", b"0", b"9" * 400),
    *(b"[" * 2000, b"@", b"%", b"/", b"()", b"=", b"'", b"#", b"import os\n", b"include 'x'\n"),
    *(b"__gin__.", b"../", b"\xf0\x9f\x98\x80", b"x" * 5000, b"\x1b[31m", b"=cmd()"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53, 2**64, -(2**63), 10**400, 0.5, -0.0, 1e308),
    *(float("nan"), float("inf"), "", "x", "\x00", "\ud800", "../../x", "/etc/passwd", "9" * 500),
    *([], {}, [[]], [None], {"": 0}, {"x": [1, "2"]}),
)
PHASE = {"steps": 30, "seconds": 0.1, "lengths": [10, 10], "returns": [0.5, 1.0]}
SCORE = score_files.Score(1, 2.0, "A", "eval", "Pong", 0, 400, 3, "m", "ff")
HEADERS = (
    *("<f4", ">f8", "|b1", "<i8", "|O", "<U5", "|S3", "|V2", "<M8[s]", "<f99", "f4,f4", "", "<c16"),
)


class Hang(BaseException):
    """An input took more than `SECONDS` of computing, or `WAITING` of anything."""


class Watch:
    """Raises `Hang` in an input that does not come to its end."""

    def __init__(self) -> None:
        self._begun = self._used = 0.0
        signal.signal(signal.SIGALRM, self._look)

    def start(self) -> None:
        """Begins with an input."""
        self._begun, self._used = time.monotonic(), time.process_time()
        signal.setitimer(signal.ITIMER_REAL, SECONDS)

    def stop(self) -> None:
        """The input has ended."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _look(self, *_: Any) -> None:
        waited, used = time.monotonic() - self._begun, time.process_time() - self._used
        if used > SECONDS or waited > WAITING:
            raise Hang(f"{used:.1f} s of computing in {waited:.1f} s")
        signal.setitimer(signal.ITIMER_REAL, 1)


class Writes:
    """Notes what is written outside one directory. An audit hook of Python stays for ever."""

    EVENTS = frozenset({"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.symlink", "os.link"})
    EVENTS |= {"os.truncate", "os.chmod", "shutil.rmtree", "os.system", "subprocess.Popen"}

    def __init__(self, directory: Path):
        self._directory = str(directory)
        self.found: list[str] = []
        self.watching = False
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.watching:
            return
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event in self.EVENTS:
            path = arguments[0]
        else:
            return
        if isinstance(path, int):  # a descriptor that is open already
            return
        place = os.path.abspath(os.fsdecode(path))
        if not place.startswith(self._directory) and place != os.devnull:
            self.found.append(f"{event} {place}")


def changed_bytes(rng: random.Random, data: bytes) -> bytes:
    """Some random changes of a file; one in twenty has none."""
    if rng.random() < 0.05:
        return data
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice((0, 0, 1, 1, 4, 16, 1000)))
        middle = rng.choice((b"", rng.randbytes(end - start or 1), rng.choice(TOKENS)))
        if rng.random() < 0.1:
            middle = data[start:end] * 2
        data = data[:start] + middle + (b"" if rng.random() < 0.05 else data[end:])
    return data


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place inside a JSON value: its container, and the key or index."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def changed_values(rng: random.Random, value: Any) -> Any:
    """A JSON value with some places replaced, removed or added."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 2, 4))):
        found = list(places(value)) if isinstance(value, dict | list) else []
        if not found or rng.random() < 0.02:
            return copy.deepcopy(rng.choice(VALUES))
        container, key = rng.choice(found)
        action = rng.random()
        if action < 0.7:
            container[key] = copy.deepcopy(rng.choice(VALUES))
        elif action < 0.85:
            del container[key]
        elif isinstance(container, dict):
            container[rng.choice(("x", "", key + "x"))] = copy.deepcopy(rng.choice(VALUES))
        else:
            container.append(copy.deepcopy(rng.choice(VALUES)))
    return value


def document(rng: random.Random, value: Any) -> bytes:
    """A JSON file, changed in its values or in its bytes."""
    if rng.random() < 0.5:
        return json.dumps(changed_values(rng, value)).encode(errors="surrogatepass")
    return changed_bytes(rng, json.dumps(value).encode())


def member(rng: random.Random) -> bytes:
    """An array of an .npz file: a header and data that may not fit together."""
    sizes = [rng.choice((0, 1, 3, -1, 2**31, 2**62, 10**30)) for _ in range(rng.choice((0, 1, 32)))]
    shape = rng.choice(("(3,)", f"({''.join(f'{size},' for size in sizes)})"))
    kind, fortran = rng.choice(("<f4", *HEADERS)), rng.choice((True, False))
    header = f"{{'descr': {kind!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}".encode()
    if rng.random() < 0.2:
        header = changed_bytes(rng, header)
    header += b"\n"
    length = rng.choice((len(header), len(header), len(header), 0, 65535)) % 65536
    version = bytes(rng.choice(((1, 0), (1, 0), (1, 0), (2, 0), (3, 0), (9, 9))))
    data = rng.choice((np.arange(3, dtype=np.float32).tobytes(), rng.randbytes(12), b""))
    return b"\x93NUMPY" + version + length.to_bytes(2, "little") + header + data


def archive(rng: random.Random, good: bytes) -> bytes:
    """An .npz file: changed bytes, or a valid archive with a crafted array."""
    if rng.random() < 0.4:
        return changed_bytes(rng, good)
    file = io.BytesIO()
    packing = rng.choice((zipfile.ZIP_STORED,) * 4 + (zipfile.ZIP_DEFLATED,))
    with zipfile.ZipFile(io.BytesIO(good)) as source, zipfile.ZipFile(file, "w", packing) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name) if rng.random() < 0.6 else member(rng))
        if rng.random() < 0.1:
            target.writestr(rng.choice(("x.npy", "w/../x.npy", "../w.npy", "/w.npy")), member(rng))
    return file.getvalue()


def small_replay(directory: Path) -> EpisodeReplay:
    """A replay with three episodes of ten steps."""
    space = gymnasium.spaces.Dict({"v": gymnasium.spaces.Box(-1, 1, (2,), np.float32)})
    replay = EpisodeReplay(
        directory,
        space,
        gymnasium.spaces.Discrete(2),
        seed=0,
        capacity=50,
        reserve=10,
        batch_size=2,
        sequence_length=4,
        prefetch=False,
    )
    for step in range(30):
        ends = {"is_first": step % 10 == 0, "is_last": step % 10 == 9}
        replay.add({"v": np.zeros(2, np.float32)}, 0, 0.0, **ends)
    return replay


class Parsers:
    """One method for each parser: it makes an input, and reads it. Its docstring names it."""

    CLEAN = (UserError, DamagedCheckpoint)

    def __init__(self, directory: Path, rng: random.Random):
        self._rng = rng
        self._directory = directory
        self._score = [SCORE.record()]
        self._run = {
            "version": "1",
            "seed": 0,
            "gin_hash": "ff",
            "bindings": {"a.b": "1"},
            "progress": True,
        }
        self._replay = small_replay(directory / "run/replay")
        self._state = {
            "runner": {
                "iteration": 1,
                "phases": {"train": PHASE, "eval": PHASE},
                "interruptions": 0,
                "logs": {},
                "scores": [list(SCORE)],
                "log_sizes": {"metrics/json_lines/metrics.jsonl": 10},
            },
            "agent": {
                "agent_steps": 30,
                "evaluation_steps": 3,
                "rng": np.random.default_rng(0).bit_generator.state,
                "metrics": {"loss": 1.0},
                "since_log": [{"loss": 1.0}],
                "seconds": {"act": 0.1},
                "first_update_step": 3,
                "bad_updates": 0,
            },
            "replay": self._replay.state(),
            "files": {"replay/x": {"bytes": 3, "sha256": "0" * 64}},
        }
        self._arrays = {"w": np.arange(3, dtype=np.float32), "n": np.array(5)}
        self._expected = arrays.Expected(self._arrays)
        self._store = CheckpointStore(directory / "run/checkpoints")
        self._store.save(1, Checkpoint(self._arrays, self._state))
        self._path = self._store.path(1)
        self._good = {path.name: path.read_bytes() for path in self._path.iterdir()}
        self._manifest = json.loads(self._good["manifest.json"])
        gin.clear_config()
        gin_files.parse(["atari.gin"], ["AtariEnvironment.game_name='Pong'"])
        self._names = [
            (f"{scope}/" if scope else "") + f"{selector}.{name}"
            for scope, selector, name, _ in bindings._bound()
        ]
        self._config = gin.config_str(max_line_length=120).encode()
        gin.clear_config()

    def _check_state(self, state: dict[str, Any]) -> None:
        check_runner(state)
        schema.check(state.get("agent"), saved.SavedDreamer, "agent")
        schema.check_rng(state["agent"]["rng"])
        self._replay.check_state(state.get("replay"))

    def _load(self, **changed: bytes) -> None:
        """Reads a checkpoint with other files, whose checksums are right."""
        names = {"arrays": "arrays.npz", "state": "state.json", "manifest": "manifest.json"}
        for key, data in changed.items():
            (self._path / names[key]).write_bytes(data)
        if "manifest" not in changed:
            files = {name: fingerprint(self._path / name) for name in ("arrays.npz", "state.json")}
            manifest = self._manifest | {"files": files}
            (self._path / "manifest.json").write_text(json.dumps(manifest))
        try:
            self._store.load(1, False, self._expected, self._check_state)
        finally:
            for name in (*(names[key] for key in changed), "manifest.json"):
                (self._path / name).write_bytes(self._good[name])

    def score_files(self) -> None:
        path = self._directory / "scores.json"
        path.write_bytes(document(self._rng, self._score))
        score_files.read(path)

    def manifests(self) -> None:
        self._load(manifest=document(self._rng, self._manifest))

    def states(self) -> None:
        self._load(state=document(self._rng, self._state))

    def archives(self) -> None:
        self._load(arrays=archive(self._rng, self._good["arrays.npz"]))

    def run_files(self) -> None:
        base_dir = self._directory / "claimed"
        (base_dir / "checkpoints/ckpt-000001").mkdir(parents=True, exist_ok=True)
        (base_dir / identity.FILE).write_bytes(document(self._rng, self._run))
        identity.restore(base_dir)
        identity.check_progress(base_dir)
        gin_files.check(base_dir, 0)

    def configurations_of_strangers(self) -> None:
        path = self._directory / "config.gin"
        path.write_bytes(changed_bytes(self._rng, self._config))
        text = trust.read(path)
        trust.check(text, str(path))
        gin.clear_config()
        gin_files.parse([], [text])

    def gin_values(self) -> None:
        value = repr(self._rng.choice((*VALUES, (1, 2), [0.1] * 3))).encode(errors="replace")
        if self._rng.random() < 0.5:
            value = changed_bytes(self._rng, value)
        gin.clear_config()
        gin_files.parse([], [f"{self._rng.choice(self._names)} = {value.decode(errors='replace')}"])


def parsers(target: Parsers) -> dict[str, Callable[[], None]]:
    """The methods of `Parsers` by name."""
    names = [name for name in vars(Parsers) if not name.startswith("_") and name.islower()]
    return {name: getattr(target, name) for name in names}


def run(inputs: int, seed: int, directory: Path) -> dict[str, Any]:
    """Tries that many inputs, the parsers in turn.

    Returns:
      Counts of results and clean errors by parser, and findings.
    """
    rng = random.Random(seed)
    writes = Writes(directory)
    tried = parsers(Parsers(directory, rng))
    counts: collections.Counter[str] = collections.Counter()
    findings: list[str] = []
    watch = Watch()
    for number in range(inputs):
        name = list(tried)[number % len(tried)]
        writes.watching = True
        watch.start()
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                tried[name]()
            outcome = "result"
        except Parsers.CLEAN:
            outcome = "clean error"
        except BaseException as error:  # SystemExit and Hang, too
            if isinstance(error, KeyboardInterrupt):
                raise
            outcome = "finding"
            findings.append(f"{name} {number}: {traceback.format_exc(limit=-3)}")
        watch.stop()
        writes.watching = False
        counts[f"{name}: {outcome}"] += 1
    findings += [f"write: {text}" for text in writes.found]
    return {"inputs": inputs, "seed": seed, "counts": dict(counts), "findings": findings[:50]}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--directory", type=Path, required=True)
    arguments = parser.parse_args()
    found = run(arguments.inputs, arguments.seed, arguments.directory.resolve())
    print(json.dumps(found))
    return 1 if found["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
