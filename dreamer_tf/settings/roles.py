"""What a parameter says about a run: which task, what may change on resume, and the rest.

The rest is the configuration: runs that agree on it are seeds of one experiment.
"""

# What may change when a run is resumed: its length, what it logs, and on which device it computes.
CHANGEABLE = (
    "Runner.num_iterations",
    "Runner.log_every_n",
    "Runner.fine_grained_print_to_console",
    "DreamerRunner.checkpoints_kept",
    "DreamerRunner.environment_restarts",
    "DreamerRunner.step_timeout",
    "DreamerRunner.progress_bar",
    "DreamerRunner.dream_every",
    "DreamerRunner.dream_length",
    "DreamerRunner.dream_context",
    "DreamerV2Agent.log_every",
    "DreamerV2Agent.max_bad_updates",
    "DopamineAgent.log_every",
    "DreamerV2Agent.overlap",
    "EpisodeReplay.prefetch",
    "create_vector_environment.asynchronous",
    "configure_devices.gpu",
    "configure_devices.memory_growth",
    "configure_devices.memory_limit_mb",
    "configure_devices.deterministic",
    "configure_devices.cpu_threads",
    "configure_devices.strategy",
    "configure_devices.devices",
    "CollectorDispatcher.collectors",
    "record_policy.video_length",
)
# Score files name the task themselves. Without it, runs of one configuration on several games
# share one hash.
TASK = (
    "AtariEnvironment.game_name",
    "ControlSuiteEnvironment.domain_name",
    "ControlSuiteEnvironment.task_name",
    "create_gym_environment.id",
)


def is_fixed(key: str) -> bool:
    """Whether a parameter belongs to the configuration.

    Args:
      key: 'Name.parameter', with a scope in front where there is one.
    """
    return key not in CHANGEABLE and key not in TASK
