"""Lists of what an untrusted configuration may say; `trust.py` compares with them."""

# Packages that may stand before the id of a Gymnasium environment, as in 'minigrid:MiniGrid-...'.
# Gymnasium imports what stands there.
PACKAGES = (
    *("ale_py", "bsuite", "crafter", "gymnasium_robotics", "highway_env", "minatar", "minigrid"),
    *("miniworld", "mo_gymnasium", "popgym", "procgen", "shimmy", "vizdoom"),
)

WORD = r"[A-Za-z0-9_-]*"
_ID = r"(?:(?P<package>[\w.]+):)?(?:[\w-]+/)?[\w.-]*"  # [package:][namespace/]name-version
_NAME = r"[\w.-]*"  # of an observation
_PATTERN = r"[\w.*?-]*"  # of the names of observations
# Parameters that take text, and the form of the text. None of the forms can be a path.
TEXTS = {
    "ActorCritic.baseline": WORD,
    "AtariEnvironment.game_name": WORD,
    "AtariEnvironment.preset": WORD,
    "Catch.render_mode": WORD,
    "ControlSuiteEnvironment.domain_name": WORD,
    "ControlSuiteEnvironment.task_name": WORD,
    "ControlSuiteEnvironment.observations": WORD,
    "configure_devices.strategy": WORD,
    "create_gym_environment.action_mask": _NAME,
    "create_gym_environment.channels_first": _NAME,
    "create_gym_environment.episode_info": _NAME,
    "create_gym_environment.id": _ID,
    "create_agent.agent_name": WORD,
    "Decoder.activation": WORD,
    "Decoder.image_keys": _PATTERN,
    "Decoder.vector_keys": _PATTERN,
    "DopamineAgent.label": r"[\w ()+.,-]*",
    "Encoder.activation": WORD,
    "Encoder.image_keys": _PATTERN,
    "Encoder.vector_keys": _PATTERN,
    "FilterObservation.filter_keys": _NAME,
    "GaussianLatent.std_bound": WORD,
    "initial_weights.init_parts": WORD,
    "initial_weights.init_source": r"[\w.,=+~-]*",
    "Learner.evaluation_action": WORD,
    "Learner.policy_device": r"/?(?:device:)?[A-Za-z]+(?::\d+)?",
    "Learner.precision": WORD,
    "MLP.activation": WORD,
    "RSSM.activation": WORD,
    "WorldModel.gradient_heads": r"[A-Za-z0-9_.-]*",
    "WorldModel.reward_transform": WORD,
}
# Parameters that take dicts with the names of observations as keys.
BY_NAME = (
    *("create_gym_environment.one_hot", "create_gym_environment.planes"),
    *("create_gym_environment.scale", "WorldModel.heads", "WorldModel.losses"),
)
_SCHEDULES = ("exponential_schedule", "horizon_schedule", "linear_schedule", "warmup_schedule")
_ENVIRONMENTS = (
    *("AtariEnvironment", "Catch", "ControlSuiteEnvironment", "create_gym_environment"),
)
_WRAPPERS = (
    *("ClipReward", "FilterObservation", "FlattenObservation", "GrayscaleObservation"),
    *("MaxAndSkipObservation", "ResizeObservation", "StickyAction", "TimeAwareObservation"),
    *("TimeLimit", "TransformReward"),
)
# What imports a package when it is made.
IMPORTING = {"Crafter": "crafter"}
# Parameters that take references, and what they may refer to.
REFERENCES = {
    "ActorCritic.actor": ("Actor",),
    "ActorCritic.critic": ("Critic",),
    "ActorCritic.entropy_scale": _SCHEDULES,
    "ActorCritic.gradient_mixing": _SCHEDULES,
    "create_gym_environment.factory": ("Catch", "Crafter"),
    "create_gym_environment.wrappers": _WRAPPERS,
    "DreamerRunner.create_environment_fn": _ENVIRONMENTS,
    "EpisodeReplay.sampling": ("ReleasedSampling", "UniformSampling"),
    "Learner.actor_critic": ("ActorCritic",),
    "Learner.exploration_noise": _SCHEDULES,
    "Learner.world_model": ("WorldModel",),
    "Optimizer.learning_rate": _SCHEDULES,
    "RSSM.latent": ("BinaryLatent", "CategoricalLatent", "GaussianLatent"),
    "WorldModel.decoder": ("Decoder",),
    "WorldModel.discount": _SCHEDULES,
    "WorldModel.encoder": ("Encoder",),
    "WorldModel.kl_scale": _SCHEDULES,
    "WorldModel.rssm": ("RSSM",),
}
_AGENT = """stack_size gamma update_horizon min_replay_history update_period target_update_period
    epsilon_fn epsilon_train epsilon_eval epsilon_decay_period network optimizer loss_type kappa
    replay_scheme num_atoms vmin vmax num_tau_samples num_tau_prime_samples num_quantile_samples
    quantile_embedding_dim double_dqn noisy dueling distributional mse_loss
    num_updates_per_train_step"""
_AGENTS = "dopamine.jax.agents"
_LABS = "dopamine.labs.atari_100k"
_NETWORK = "num_layers hidden_units nn_scale fourier_basis_order stack_sizes num_blocks"
# What may be set of Dopamine. Left out are all places where it writes or reads files, and all that
# takes objects. Text is a word everywhere.
DOPAMINE = {
    "dopamine.discrete_domains.run_experiment.Runner": """num_iterations training_steps
        evaluation_steps max_steps_per_episode clip_rewards log_every_n use_legacy_logger
        fine_grained_print_to_console""",
    f"{_AGENTS}.dqn.dqn_agent.JaxDQNAgent": _AGENT,
    f"{_AGENTS}.dqn.dqn_agent.create_optimizer": """name learning_rate beta1 beta2 eps
        centered anneal_learning_rate anneal_steps""",
    f"{_AGENTS}.full_rainbow.full_rainbow_agent.JaxFullRainbowAgent": _AGENT,
    f"{_AGENTS}.implicit_quantile.implicit_quantile_agent.JaxImplicitQuantileAgent": _AGENT,
    f"{_AGENTS}.quantile.quantile_agent.JaxQuantileAgent": _AGENT,
    f"{_AGENTS}.rainbow.rainbow_agent.JaxRainbowAgent": _AGENT,
    f"{_LABS}.atari_100k_rainbow_agent.Atari100kRainbowAgent": "data_augmentation mse_loss",
    f"{_LABS}.spr_agent.SPRAgent": "jumps spr_weight epsilon_fn",
    f"{_LABS}.spr_networks.SPRNetwork": "renormalize project_relu",
    "dopamine.jax.networks.ClassicControlDQNNetwork": _NETWORK,
    "dopamine.jax.networks.ClassicControlRainbowNetwork": _NETWORK,
    "dopamine.jax.networks.ImpalaDQNNetwork": _NETWORK,
    "dopamine.jax.networks.ImpalaEncoder": _NETWORK,
    "dopamine.jax.networks.JaxFourierDQNNetwork": _NETWORK,
    "dopamine.jax.replay_memory.replay_buffer.ReplayBuffer": "max_capacity batch_size compress",
    "dopamine.jax.replay_memory.samplers.PrioritizedSamplingDistribution": """max_capacity
        priority_exponent""",
    "dopamine.metrics.collector_dispatcher.CollectorDispatcher": "collectors",
    "dopamine.metrics.console_collector.ConsoleCollector": "save_to_file",
}
# References in Dopamine's agents, by parameter.
DOPAMINE_REFERENCES = {
    "network": (
        *("ClassicControlDQNNetwork", "ClassicControlRainbowNetwork", "FullRainbowNetwork"),
        *("ImpalaDQNNetwork", "JaxFourierDQNNetwork"),
        *("NatureDQNNetwork", "PlanesRainbowNetwork", "QuantileNetwork", "RainbowNetwork"),
    ),
    "epsilon_fn": ("identity_epsilon", "linearly_decaying_epsilon", "zero_epsilon"),
}
