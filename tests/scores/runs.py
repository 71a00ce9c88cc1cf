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
):
    directory.mkdir(parents=True)
    scores = [
        score_files.Score(iteration, value, agent, phase, game, seed, frames, 3, protocol, gin_hash)
        for iteration, (frames, value) in enumerate(((1000, -20.0), (2000, end)))
        for phase in ("train", "eval")
    ]
    score_files.write(directory / score_files.FILE, scores)
