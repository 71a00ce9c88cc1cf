"""Score files of runs for the tests."""

from dreamer_tf.scores import score_files


def write_run(
    directory,
    agent="DreamerV2",
    game="Pong",
    seed=0,
    protocol="machado2018",
    end=2.0,
    gin_hash="0123456789abcdef",
    ends=(1000, 2000),
):
    """Iterations that end after some frames; the last one has the return `end`."""
    directory.mkdir(parents=True)
    values = [-20.0] * (len(ends) - 1) + [end]
    scores = [
        score_files.Score(iteration, value, agent, phase, game, seed, frames, 3, protocol, gin_hash)
        for iteration, (frames, value) in enumerate(zip(ends, values, strict=True))
        for phase in ("train", "eval")
    ]
    score_files.write(directory / score_files.FILE, scores)
