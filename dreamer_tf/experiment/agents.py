"""Makes the agent of an experiment by its gin name."""

from typing import Any

import gin

from dreamer_tf.agent import DreamerV2Agent
from dreamer_tf.environments.interface import DopamineEnvironment
from dreamer_tf.errors import UserError, nearest

AGENTS = {"dreamer_v2": DreamerV2Agent}


@gin.configurable(module="dreamer_tf", denylist=["environment", "base_dir", "seed"])
def create_agent(
    environment: DopamineEnvironment,
    base_dir: str | None,
    seed: int,
    agent_name: str = "dreamer_v2",
) -> Any:
    """Makes an agent for an environment.

    Args:
      environment: gives the spaces.
      base_dir: base directory of the run; None for a policy that only acts.
      seed: run seed.
      agent_name: 'dreamer_v2'.

    Raises:
      UserError: unknown name.
    """
    if agent_name not in AGENTS:
        hint = nearest(agent_name, AGENTS) or ", ".join(AGENTS)
        raise UserError(
            f"dreamer_tf.create_agent.agent_name is '{agent_name}', which is no agent: use {hint}."
        )
    return AGENTS[agent_name](
        environment.observation_space, environment.action_space, base_dir=base_dir, seed=seed
    )
