"""Which games a sweep runs, and how a configuration is told its game."""

from collections.abc import Sequence
from typing import Any

from dreamer_tf.environments import atari, registry
from dreamer_tf.errors import UserError, did_you_mean
from dreamer_tf.scores import curves

# Five games whose scores predict the median over all (Aitchison et al., 2023).
_ATARI_5 = ("BattleZone", "DoubleDunk", "NameThisGame", "Phoenix", "Qbert")
# The games of the 100k benchmark (Kaiser et al., 2020).
_ATARI_26 = (
    *("Alien", "Amidar", "Assault", "Asterix", "BankHeist", "BattleZone", "Boxing", "Breakout"),
    *("ChopperCommand", "CrazyClimber", "DemonAttack", "Freeway", "Frostbite", "Gopher", "Hero"),
    *("Jamesbond", "Kangaroo", "Krull", "KungFuMaster", "MsPacman", "Pong", "PrivateEye", "Qbert"),
    *("RoadRunner", "Seaquest", "UpNDown"),
)


def sets() -> dict[str, tuple[str, ...]]:
    """Games by the name of their set; '@atari55' are those of Table K1 of the paper."""
    names = {curves.game_key(name): name for name in atari.game_names()}
    every = tuple(names[key] for key in curves.benchmark_games())
    return {"@atari5": _ATARI_5, "@atari26": _ATARI_26, "@atari55": every}


def expand(names: Sequence[str]) -> list[str]:
    """Replaces the names of sets; every game stays once, in the order in which it comes first.

    Raises:
      UserError: there is no such set.
    """
    found: list[str] = []
    known = sets()
    for name in filter(None, map(str.strip, names)):
        if name.startswith("@") and name not in known:
            hint = did_you_mean(name, known) or f" There are {', '.join(known)}."
            raise UserError(f"--games={name}: there is no such set of games.{hint}")
        found += known.get(name, (name,))
    return list(dict.fromkeys(found))


def bindings(config: str, said: dict[str, Any], game: str) -> list[str]:
    """The gin bindings that give a game to a configuration.

    Args:
      config: the configuration as the user names it, for errors.
      said: what it sets, from `naming.said`.
      game: a game of Atari, a `domain/task` of the control suite, or an id of Gymnasium.

    Raises:
      UserError: the game is unknown, or the configuration has none to choose.
    """
    factory = said.get(registry.FACTORY)
    maker = getattr(factory, "name", "").rpartition(".")[2]
    if maker == "AtariEnvironment":
        atari.check_game(game)
        return [f"AtariEnvironment.game_name={game!r}"]
    if maker == "ControlSuiteEnvironment":
        domain, _, task = game.partition("/")
        if not task:
            raise UserError(
                f"--games={game}: {config} runs on the control suite, so write domain/task, as in "
                "cartpole/balance."
            )
        return [f"{maker}.domain_name={domain!r}", f"{maker}.task_name={task!r}"]
    if maker == "create_gym_environment" and said.get(f"{maker}.factory") is None:
        return [f"{maker}.id={game!r}"]
    raise UserError(
        f"--games={game}: {config} has an environment of its own and no game to choose: leave "
        "--games out, or sweep it separately."
    )
