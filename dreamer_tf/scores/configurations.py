"""Names of configurations: what differs between them, in words.

Runs of one agent that were configured differently are different agents in a comparison. They are
called by their label, or by what differs from the one that sets the least (the first of several
such), as `run.json` records it:

    DreamerV2
    DreamerV2 (kl_scale 1.0 instead of 0.1)
"""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from dreamer_tf.errors import printable
from dreamer_tf.settings.roles import is_fixed
from dreamer_tf.storage import identity

DEFAULT = "its default"
_SHOWN = 3  # differences in a name
_LONGEST = 40  # characters of a value


class Run(NamedTuple):
    """What a name is made from."""

    agent: str
    suite: str  # what is compared with each other
    configuration: str  # as in `Score.configuration`
    directory: str  # of the run; it may have been written by anybody


class _Record(msgspec.Struct):
    """What is read of a run's `run.json`."""

    gin_hash: str
    bindings: dict[str, str]
    label: str | None = None


class _Configuration(NamedTuple):
    """One configuration of an agent."""

    agent: str
    name: str  # as in `Score.configuration`
    directories: list[str]
    record: _Record | None


def names(runs: Sequence[Run]) -> dict[tuple[str, str], str]:
    """Names of agents.

    Args:
      runs: all that are compared.

    Returns:
      Agent and configuration -> the agent's name in the comparison. Where an agent has one
      configuration in every suite, and no label, it keeps its name.
    """
    found: dict[tuple[str, str], str] = {}
    for agent in dict.fromkeys(run.agent for run in runs):
        of_agent = [run for run in runs if run.agent == agent]
        ambiguous = _ambiguous(of_agent)
        alike = _configurations([run for run in of_agent if run.configuration in ambiguous])
        others = _configurations([run for run in of_agent if run.configuration not in ambiguous])
        texts = [*zip(alike, _words(alike), strict=True), *((one, _label(one)) for one in others)]
        for configuration, text in texts:
            name = f"{agent} ({text})" if text else agent
            found[agent, configuration.name] = name
    return found


def differences(ours: Mapping[str, str], reference: Mapping[str, str]) -> list[str]:
    """What one configuration sets otherwise than another, in words.

    Args:
      ours: values as text, by parameter.
      reference: the same of the other one.

    Returns:
      As in 'kl_scale 1.0 instead of 0.1', sorted. What may change on resume is left out.
    """
    keys = [key for key in sorted({*ours, *reference}) if is_fixed(key)]
    short = [key.rpartition(".")[2] for key in keys]
    words = []
    for key in keys:
        new, old = ours.get(key, DEFAULT), reference.get(key, DEFAULT)
        if new != old:
            # Several classes have a parameter of that name: say which.
            parameter = key.rpartition(".")[2]
            name = key if short.count(parameter) > 1 else parameter
            words.append(f"{_short(name)} {_short(new)} instead of {_short(old)}")
    return words


def _configurations(runs: Sequence[Run]) -> list[_Configuration]:
    directories: dict[str, list[str]] = {}
    for run in runs:
        directories.setdefault(run.configuration, []).append(run.directory)
    return [
        _Configuration(runs[0].agent, name, list(dict.fromkeys(found)), _record(name, found))
        for name, found in directories.items()
    ]


def _ambiguous(runs: Sequence[Run]) -> set[str]:
    """Configurations of an agent that have others beside them among runs that are compared."""
    suites: dict[str, set[str]] = {}
    for run in runs:
        suites.setdefault(run.suite, set()).add(run.configuration)
    return set().union(*(found for found in suites.values() if len(found) > 1))


def _record(name: str, directories: Sequence[str]) -> _Record | None:
    """What the runs of a configuration say; one with a label before the others."""
    found = None
    for directory in directories:
        try:
            record = msgspec.convert(identity.facts(directory), _Record)
        except (OSError, msgspec.ValidationError, RecursionError):
            continue
        # A record of another configuration would give a wrong name.
        if record.gin_hash and name.endswith(record.gin_hash):
            found = record if found is None or record.label else found
            if found.label:
                break
    return found


def _label(configuration: _Configuration) -> str:
    record = configuration.record
    return _short(record.label, 100) if record is not None and record.label else ""


def _words(several: Sequence[_Configuration]) -> list[str]:
    """A label, what differs from the reference, or the directories; all of them different."""
    if not several:
        return []
    reference = min(several, key=_size)
    places = _places(several)
    words = []
    for configuration, place in zip(several, places, strict=True):
        label = _label(configuration)
        if label:
            words.append(label)
        elif configuration.record is None or reference.record is None:
            words.append(place)
        elif configuration is reference:
            words.append("")
        else:
            found = differences(configuration.record.bindings, reference.record.bindings)
            found += _beside_gin(configuration, reference)
            more = len(found) - _SHOWN
            text = ", ".join(found[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
            words.append(text or place)
    return [
        text if words.count(text) == 1 else ", ".join(filter(None, (text, place)))
        for text, place in zip(words, places, strict=True)
    ]


def _size(configuration: _Configuration) -> float:
    """How much a configuration sets: `maze.gin` is the reference of `maze.gin+my_encoder.gin`."""
    record = configuration.record
    return math.inf if record is None else sum(map(is_fixed, record.bindings))


_BESIDE_GIN = {"n": "numerics", "w": "workers"}  # first letter -> what the number counts


def _beside_gin(ours: _Configuration, reference: _Configuration) -> list[str]:
    """What differs and is in no gin file, as in 'workers 4 instead of 1'."""
    new, old = (
        {part[0]: part[1:] for part in one.name.split("-")[:-1]} for one in (ours, reference)
    )
    return [
        f"{word} {new.get(letter, '1')} instead of {old.get(letter, '1')}"
        for letter, word in _BESIDE_GIN.items()
        if new.get(letter, "1") != old.get(letter, "1")
    ]


def _places(several: Sequence[_Configuration]) -> list[str]:
    """The directories of each configuration, as short as they differ."""
    paths = [[Path(os.path.abspath(name)).parts for name in one.directories] for one in several]
    everything = [path for group in paths for path in group]
    common = len(Path(os.path.commonpath([Path(*path) for path in everything])).parts)
    for depth in range(common + 1, max(map(len, everything)) + 1):
        groups = [{path[common:depth] for path in group} for group in paths]
        if sum(map(len, groups)) == len(set().union(*groups)):
            break
    return [
        ", ".join(_short("/".join(path)) for path in sorted(group)[:_SHOWN])
        + (" and others" if len(group) > _SHOWN else "")
        for group in groups
    ]


def _short(text: str, longest: int = _LONGEST) -> str:
    """Text of anybody: one line, without escapes of the terminal, not too long."""
    shown = printable(" ".join(text.split()))
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."
