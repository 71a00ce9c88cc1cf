"""Runs that begin with weights of another run: `train --init_from`.

Only weights are taken, of the world model, of the behavior (actor, critic and target critic), or of
both. Moments of the optimizers, counters, schedules and the replay begin anew, because they belong
to other data. The other run is data from a stranger: its configuration is not read, and its arrays
must have the names and shapes that this run has.

The parts and the task of the other run are bound in gin. So they are in the hash of the
configuration, and only runs with the same beginning count as seeds of one experiment.
"""

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import gin
import msgspec

from dreamer_tf.errors import UserError, printable
from dreamer_tf.experiment import naming
from dreamer_tf.experiment.places import check_local
from dreamer_tf.settings.configurable import configurable
from dreamer_tf.storage import identity, schema
from dreamer_tf.storage.arrays import Expected
from dreamer_tf.storage.checkpoints import Checkpoint, CheckpointStore, DamagedCheckpoint
from dreamer_tf.storage.schema import Count

if TYPE_CHECKING:
    from dreamer_tf.agents.protocol import Agent

PARTS: Mapping[str, tuple[str, ...]] = {
    "both": ("world_model", "behavior"),
    "world_model": ("world_model",),
    "behavior": ("behavior",),
}
KEY = "init"  # in run.json
_OTHER_ARRAYS = 1 << 36  # the most bytes of a checkpoint that are not read


class _Said(msgspec.Struct):
    """What run.json says of a run's beginning."""

    run: str = msgspec.field(name="from")
    parts: list[str]
    checkpoint: Count
    agent_steps: Count


class _Progress(msgspec.Struct):
    """What is read of the other run's agent."""

    agent_steps: Count


@configurable
def initial_weights(
    init_parts: Literal["both", "world_model", "behavior"] | None = None,
    init_source: str | None = None,
) -> tuple[str, ...]:
    """The parts that begin with weights of another run; the flags of `train` set both parameters.

    Args:
      init_parts: 'world_model', 'behavior' or 'both'; None for weights of this run's seed.
      init_source: game of the other run and the beginning of its GinHash.

    Returns:
      'world_model' and 'behavior', or one of them, or nothing.
    """
    return () if init_parts is None else PARTS[init_parts]


def bindings(run: str | os.PathLike | None, parts: str | None = None) -> list[str]:
    """Gin bindings of a run that begins with the weights of another one.

    Args:
      run: base directory of the other run; None for no other run.
      parts: one of `PARTS`; by default both.

    Raises:
      UserError: there is no run, it does not say what it is, or parts are asked of no run.
    """
    if run is None:
        if parts is not None:
            raise UserError(f"--init_parts={parts} needs a run: name it with --init_from.")
        return []
    check_local("init_from", run)
    try:
        found = identity.facts(run)
    except OSError as error:
        raise UserError(f"--init_from={run} cannot be read ({error.strerror or error}).") from error
    if not found:
        raise UserError(
            f"--init_from={run}: there is no run in this directory; a run that has begun with it "
            "resumes with --base_dir alone."
        )
    game, configuration = found.get("game"), str(found.get("gin_hash"))
    if not isinstance(game, str) or not re.fullmatch("[0-9a-f]{16}", configuration):
        raise UserError(
            f"--init_from={run}: its {identity.FILE} does not say which game and configuration it "
            "has: restore it from a copy, or choose another run."
        )
    source = f"{naming.safe(game)[:60]}-{configuration[:8]}"
    values = {"init_parts": parts or "both", "init_source": source}
    return [f"initial_weights.{name} = {value!r}" for name, value in values.items()]


def begin(
    agent: "Agent", base_dir: str | os.PathLike, run: str | os.PathLike | None
) -> dict[str, Any]:
    """Gives a new agent weights of another run; a run that has progress keeps its own.

    Args:
      agent: of a run that has just been made or resumed.
      base_dir: base directory of that run.
      run: base directory of the other run.

    Returns:
      What `run.json` says of it.

    Raises:
      UserError: the weights do not fit, or the configuration asks for a run that is not named.
    """
    parts = initial_weights()
    if identity.has_progress(base_dir):
        return {}
    if not parts:
        # A configuration that was corrected before the first checkpoint.
        return {KEY: None} if KEY in identity.facts(base_dir) else {}
    if run is None:
        before = _said(base_dir)
        name = "<run>" if before is None else printable(before.run)
        raise UserError(
            "initial_weights.init_parts asks for the weights of another run, and this run has no "
            f"checkpoint yet: add --init_from={name}."
        )
    wanted = {name: value for part in parts for name, value in agent.weights(part).items()}
    number, checkpoint = _load(run, wanted, " and ".join(parts))
    agent.set_weights(checkpoint.arrays)
    progress = schema.check(checkpoint.state.get("agent"), _Progress, "agent")
    return {
        KEY: {
            "from": os.fspath(run),
            "id": identity.facts(run).get("id"),
            "parts": list(parts),
            "checkpoint": number,
            "agent_steps": progress.agent_steps,
        }
    }


def forget() -> None:
    """Lets a look at a configuration do without the other run: no weight of it is used."""
    gin.bind_parameter("initial_weights.init_parts", None)


def words(base_dir: str | os.PathLike) -> str | None:
    """What a run began with, for people; None if with weights of its own."""
    said = _said(base_dir)
    if said is None:
        return None
    parts = " and ".join(printable(part).replace("_", " ") for part in said.parts)
    return (
        f"{parts} of {printable(said.run)}, checkpoint {said.checkpoint}, after "
        f"{said.agent_steps:,} agent steps"
    )


def _said(base_dir: str | os.PathLike) -> _Said | None:
    try:
        return msgspec.convert(identity.facts(base_dir).get(KEY), _Said)
    except (OSError, msgspec.ValidationError, RecursionError):
        return None


def _load(run: str | os.PathLike, wanted: Mapping[str, Any], parts: str) -> tuple[int, Checkpoint]:
    """The newest checkpoint of a run that has these arrays; others are not read."""
    store = CheckpointStore(os.path.join(run, "checkpoints"))
    expected = Expected(wanted, more_bytes=_OTHER_ARRAYS, only=True)
    reasons = []
    for number in reversed(store.numbers()):
        try:
            return number, store.load(number, beside=False, expected=expected, check=_check)
        except DamagedCheckpoint as error:
            reasons.append(str(error).removeprefix("ValueError: "))
    if not reasons:
        raise UserError(f"--init_from={run}: the run has no checkpoint yet.")
    raise UserError(
        f"--init_from={run}: its {parts} cannot be used ({reasons[0]:.500}): use the sizes and "
        "observations of that run, other --init_parts, or another run."
    )


def _check(state: dict[str, Any]) -> None:
    schema.check(state.get("agent"), _Progress, "agent")
