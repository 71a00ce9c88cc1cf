"""Case K: the released sampling rule against the authors' implementation."""

import re
from collections import Counter

import gymnasium
import numpy as np

from dreamer_tf.replay.episode_replay import EpisodeReplay
from dreamer_tf.replay.sampling import ReleasedSampling

SPACE = gymnasium.spaces.Dict({"index": gymnasium.spaces.Box(-np.inf, np.inf, (1,))})


def make_replay(directory, totals, length, sampling) -> EpisodeReplay:
    replay = EpisodeReplay(
        directory,
        SPACE,
        gymnasium.spaces.Discrete(2),
        seed=0,
        capacity=1000,
        reserve=0,
        batch_size=1,
        sequence_length=length,
        sampling=sampling,
        prefetch=False,
    )
    for total in totals:
        for step in range(total):
            replay.add(
                {"index": np.float32([step])},
                0,
                0.0,
                is_first=step == 0,
                is_last=step == total - 1,
                is_terminal=False,
            )
    return replay


def pieces(golden_key):
    match = re.fullmatch(r"(?:min(\d+)_max(\d+)_)?T(\d+)_prio(True|False)", golden_key)
    return (
        int(match[1] or 50),
        int(match[2]) or None if match[2] else 50,
        int(match[3]),
        match[4] == "True",
    )


def test_start_distribution(golden):
    data = golden("K_replay")
    cases = [key.removesuffix("/exact") for key in data if key.endswith("/exact")]
    joint = [key.removesuffix("/joint_exact") for key in data if key.endswith("/joint_exact")]
    assert cases and joint
    count = 20000
    rng = np.random.default_rng(0)
    for case in cases + joint:
        minimum, maximum, total, ends = pieces(case)
        sampling = ReleasedSampling(minimum, maximum, ends)
        found = Counter(sampling.cut(total, rng) for _ in range(count))
        if case in joint:
            expected = data[f"{case}/joint_exact"]  # [length, start]
            actual = np.zeros_like(expected)
            for (start, length), times in found.items():
                actual[length, start] = times / count
        else:
            expected = data[f"{case}/exact"]
            actual = np.zeros_like(expected)
            for (start, _), times in found.items():
                actual[start] += times / count
        tolerance = 5 * np.sqrt(expected * (1 - expected) / count) + 1e-9
        assert (np.abs(actual - expected) <= tolerance).all(), case


def test_accepted_lengths(golden, tmp_path):
    data = golden("K_replay")
    for total, accepted in zip(data["accept/totals"], data["accept/accepted"], strict=True):
        sampling = ReleasedSampling(50, 50)
        replay = make_replay(tmp_path / str(total), [int(total)], 50, sampling)
        episodes = sampling._episodes(replay._streams)
        drawn = sampling._piece(episodes, np.random.default_rng(0)) is not None
        # The golden add_episode counts transitions: a total of 51 steps is the shortest it takes.
        assert drawn == bool(accepted), total
        replay.close()


def chunk_rules(index, is_first, minimum, maximum):
    """What holds for every stream of chunks made of pieces."""
    index, is_first = index.reshape(-1), is_first.reshape(-1)
    starts = np.flatnonzero(is_first)
    continues = np.diff(index) == 1
    assert is_first[0]
    # A step that does not begin a piece follows its predecessor.
    assert continues[~is_first[1:]].all()
    lengths = np.diff(starts)
    assert (lengths >= minimum).all() and (lengths <= maximum).all()
    return lengths


def test_chunks(golden, tmp_path):
    """Leftovers go on in the next chunk, with is_first only where a piece begins."""
    data = golden("K_replay")
    length = data["chunks/index"].shape[1]
    chunk_rules(data["chunks/index"], data["chunks/is_first"], 10, 30)
    replay = make_replay(tmp_path, [60], length, ReleasedSampling(10, 30))
    batches = [replay.sample() for _ in range(400)]
    index = np.concatenate([batch.observation["index"][..., 0] for batch in batches])
    is_first = np.concatenate([batch.is_first for batch in batches])
    lengths = chunk_rules(index, is_first, 10, 30)
    assert set(lengths) == set(range(21, 31))
    replay.close()
