"""An agent of one's own from one of Dopamine's: its target network follows in every update."""

import gin
import jax
from dopamine.jax.agents.dqn.dqn_agent import JaxDQNAgent


@gin.configurable
class SoftTargetDQN(JaxDQNAgent):
    """DQN with the target of Lillicrap et al. (2016), as in DDPG."""

    def __init__(self, *args, tau=0.005, **settings):
        self._tau = tau
        super().__init__(*args, **settings)

    def _sync_weights(self):
        """Dopamine calls it every `target_update_period` agent steps."""
        self.target_network_params = jax.tree_util.tree_map(
            lambda new, old: self._tau * new + (1 - self._tau) * old,
            self.online_params,
            self.target_network_params,
        )
