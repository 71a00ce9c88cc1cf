"""Makes the agent of an experiment by its name in gin."""

import functools
from typing import Any

from dreamer_tf.agents.dopamine import DopamineAgent
from dreamer_tf.agents.dopamine_100k import LOW_DATA_AGENTS
from dreamer_tf.agents.dopamine_compat import JAX_AGENTS, JaxDQNAgent
from dreamer_tf.agents.dopamine_networks import PlanesRainbowNetwork  # noqa: F401 - registers
from dreamer_tf.agents.dreamer_v2 import DreamerV2Agent
from dreamer_tf.agents.protocol import Agent, AgentFactory
from dreamer_tf.environments.interface import DopamineEnvironment
from dreamer_tf.errors import UserError, did_you_mean
from dreamer_tf.settings.configurable import configurable

AGENTS: dict[str, AgentFactory] = {
    "dreamer_v2": DreamerV2Agent,
    **{
        name: functools.partial(DopamineAgent, agent)
        for name, agent in (JAX_AGENTS | LOW_DATA_AGENTS).items()
    },
}


# Dopamine has a `create_agent` too, so gin needs a module to tell them apart.
@configurable(denylist=["environment", "base_dir", "seed", "num_environments"])
def create_agent(
    environment: DopamineEnvironment,
    base_dir: str | None,
    seed: int,
    num_environments: int = 1,
    agent_name: str = "dreamer_v2",
    agent: AgentFactory | None = None,
) -> Agent:
    """Makes an agent for an environment.

    Args:
      environment: gives the spaces.
      base_dir: base directory of the run; None for a policy that only acts.
      seed: run seed.
      num_environments: how many environments the agent acts in at once.
      agent_name: 'dreamer_v2', or one of Dopamine's: 'jax_dqn', 'jax_rainbow' (also C51),
        'jax_quantile', 'jax_implicit_quantile', 'full_rainbow', 'atari_100k_rainbow' (DER, DrQ,
        OTRainbow), 'spr'.
      agent: a class of yours, derived from `Agent` or from one of Dopamine's JAX agents; it
        takes precedence over a name.

    Raises:
      UserError: the name is unknown, or the agent does not fit the environment.
    """
    make = AGENTS.get(agent_name) if agent is None else _maker(agent)
    if make is None:
        hint = did_you_mean(agent_name, AGENTS) or f" Use one of {', '.join(AGENTS)}."
        raise UserError(f"Unknown agent '{agent_name}' (dreamer_tf.create_agent.agent_name).{hint}")
    made = make(
        environment.observation_space,
        environment.action_space,
        base_dir=base_dir,
        seed=seed,
        num_environments=num_environments,
    )
    if not isinstance(made, Agent):
        raise _no_agent(type(made))
    return made


def _maker(agent: Any) -> AgentFactory:
    """What makes an agent of a class of the user's; Dopamine's interface is adapted."""
    if isinstance(agent, type):
        if issubclass(agent, JaxDQNAgent):
            return functools.partial(DopamineAgent, agent)
        if not issubclass(agent, Agent):
            raise _no_agent(agent)
    return agent


def _no_agent(found: type) -> UserError:
    return UserError(
        f"dreamer_tf.create_agent.agent makes a {found.__name__}, but must make an agent: derive "
        "its class from dreamer_tf.agents.protocol.Agent, or from one of Dopamine's JAX agents."
    )
