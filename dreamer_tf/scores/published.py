"""What is known about published curves: who measured them, how, under which protocol."""

from typing import NamedTuple


class Published(NamedTuple):
    """What is known about a published agent's curves on Atari."""

    phase: str  # 'train', 'eval', or 'unknown' where the source does not say
    protocol: str  # on Atari
    source: str
    apart: bool = False  # is only compared with other protocols if --mixed asks for it
    control_suite: str = "control_suite, pixels"  # protocol on tasks of the control suite
    budget: float = 0.0  # frames of every run, where the source names them
    is_mean: bool = False  # means over runs, not runs


_DOPAMINE = Published("train", "dopamine", "Dopamine's baseline data (Castro et al., 2018)")
_AT_400K = Published(
    "unknown", "unknown", "means collected by the authors of DreamerV2", apart=True, is_mean=True
)
# The files do not name the phase. It follows from the values (baselines/README.md): on games whose
# scores come in steps, the points are means of 10 episodes, and the authors plot `eval_return`.
_DREAMER = Published("eval", "machado2018", "Hafner et al., 2021, the authors' score files")
# On the control suite a point is the mean of all 30 episodes that the agent trained on.
_CONTROL_SUITE_PHASES = {"humanoidwalk": "unknown"}  # no steps in its returns; otherwise 'train'
_V3 = "Hafner et al., 2023, the authors' score files"
_PIXELS, _PROPRIO = "dreamerv3_control_suite, pixels", "dreamerv3_control_suite, proprio"
_TODAY = Published("unknown", "dreamerv3_atari", _V3, True, _PIXELS)
# A run's last point is its last whole episode.
_TODAY_100K = Published("unknown", "dreamerv3_atari100k", _V3, apart=True, budget=400e3)
_TODAY_PROPRIO = Published("unknown", "unknown", _V3, True, _PROPRIO)
PUBLISHED = {
    "DQN": _DOPAMINE,
    "C51": _DOPAMINE,
    "Rainbow": _DOPAMINE,
    "IQN": _DOPAMINE,
    "Quantile (JAX)": _DOPAMINE,
    "DQN (Adam + MSE in JAX)": _DOPAMINE,
    "DreamerV2": _DREAMER,
    "DreamerV2 nosched": _DREAMER,  # the authors' label; they do not explain it
    "DreamerV2 (schedules)": _DREAMER,
    "DreamerV2 (Montezuma)": _DREAMER,
    "DreamerV3": _TODAY,
    "PPO": _TODAY,
    "MuZero": Published("unknown", "muzero", f"{_V3}, which do not say whose run it is", True),
    "DreamerV3 (Atari 100k)": _TODAY_100K,
    "PPO (Atari 100k)": _TODAY_100K,
    "DrQ-v2": _TODAY,
    "CURL": _TODAY,
    "SAC": _TODAY,
    "DreamerV3 (proprio)": _TODAY_PROPRIO,
    "D4PG": _TODAY_PROPRIO,
    "SimPLe at 400k": _AT_400K,
    "DER at 400k": _AT_400K._replace(
        source="means collected by the authors of DreamerV2, who call it Rainbow; by its scores it "
        "is data-efficient Rainbow (van Hasselt et al., 2019)"
    ),
}
RENAMED = {"Rainbow at 400k": "DER at 400k"}
_REPEATS = "the action repeat of each agent is that of its authors"
VARIED = {"dreamerv3_control_suite": _REPEATS}  # protocols that leave something to each agent
# The meaning of each protocol's name.
PROTOCOLS = {
    "machado2018": "Atari: sticky actions (0.25), all 18 actions, action repeat 4, no information "
    "about lives, episodes of at most 108,000 frames (Machado et al., 2018)",
    "nature2015": "Atari: no-op starts, the actions that the game uses, action repeat 4, a lost "
    "life ends an episode for learning (Mnih et al., 2015)",
    "atari100k": "Atari: as nature2015; Dopamine's protocol for runs of 100,000 agent steps",
    "dopamine": "Atari: as machado2018, with the actions that the game uses; returns while "
    "training, epsilon 0.01",
    "control_suite": "DeepMind Control Suite: episodes of 1,000 simulation steps, action repeat "
    "2; from pixels or proprioception",
    "gymnasium": "a Gymnasium environment with its own limits",
    "dreamerv3_atari": "Atari: as machado2018, and up to 30 no-op actions at the start of an "
    "episode; the settings of the authors' code",
    "dreamerv3_atari100k": "Atari: no sticky actions, the actions that the game uses, up to 30 "
    "no-op actions at the start, a lost life does not end an episode; 400,000 frames",
    "muzero": "Atari: the source does not say; one run a game",
    "dreamerv3_control_suite": f"DeepMind Control Suite: {_REPEATS}; frames count simulation steps",
    "unknown": "the source does not say",
}
# Agents of each file of `baselines/dreamerv3`.
MODERN = {
    "atari57": {"DreamerV3", "PPO", "MuZero"},
    "atari100k": {"DreamerV3 (Atari 100k)", "PPO (Atari 100k)"},
    "dmc_vision": {"DreamerV3", "PPO", "DrQ-v2", "CURL", "SAC"},
    "dmc_proprio": {"DreamerV3 (proprio)", "D4PG"},
}


def facts(agent: str, game: str, atari: bool) -> Published:
    """What is known about the curves of an agent on a game or on a task of the control suite."""
    known = PUBLISHED[agent]
    if atari:
        return known
    phase = known.phase if known.apart else _CONTROL_SUITE_PHASES.get(game, "train")
    return known._replace(phase=phase, protocol=known.control_suite)
