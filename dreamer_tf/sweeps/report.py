"""The page of `compare` from the runs of a sweep that are there, with what is missing."""

import glob
import os
from collections.abc import Iterable, Sequence

from dreamer_tf.errors import UserError
from dreamer_tf.scores import comparison, score_files
from dreamer_tf.sweeps.plan import Run
from dreamer_tf.sweeps.states import DONE, State


def write(states: Sequence[State], out: str, mixed: bool = False) -> str:
    """Writes the page.

    Args:
      states: of the runs.
      out: a file that ends as `compare --out` allows.
      mixed: whether runs of different protocols are compared.

    Returns:
      A sentence about it.

    Raises:
      UserError: no run has returns yet, or the file cannot be written.
    """
    form = comparison.choose_format(out, None)
    runs = [state.run for state in states]
    phases: set[str] = set()
    patterns, missing = [], []
    for run in runs:
        if os.path.exists(_scores(run)):
            try:
                phases |= {score.phase for score in score_files.read(_scores(run))}
                patterns.append(glob.escape(run.base_dir))
            except UserError as error:  # one damaged file must not hide all others
                missing.append(error.sentence)
    if not phases:
        none = "No run of the sweep has scores yet: wait until one has an iteration."
        raise UserError(" ".join([none, *missing]))
    # Without evaluations there are the returns of training.
    phase = "eval" if "eval" in phases else "train"
    found = comparison.collect(comparison.Request(runs=patterns, phase=phase, mixed=mixed))
    missing += sentences(state for state in states if state.kind != DONE)
    comparison.write(found._replace(absent=(*found.absent, *missing)), out, form)
    complete = sum(state.kind == DONE for state in states)
    return (
        f"{out}: {len(found.runs)} of {len(runs)} runs, {complete} of them complete, "
        f"{len(found.baselines)} published runs"
    )


def _scores(run: Run) -> str:
    return os.path.join(run.base_dir, score_files.FILE)


def sentences(states: Iterable[State]) -> list[str]:
    """Says which runs are not complete, seeds of one configuration and game together."""
    groups: dict[tuple[str, str, str, str], list[State]] = {}
    for state in states:
        alike = (state.run.config, state.run.game, state.kind, state.sentence)
        groups.setdefault(alike, []).append(state)
    return [
        f"{config} on {game}, seed{'s' if len(found) > 1 else ''} "
        f"{', '.join(str(state.run.seed) for state in found)}: {kind}"
        + (f" ({sentence})." if sentence else ".")
        for (config, game, kind, sentence), found in groups.items()
    ]
