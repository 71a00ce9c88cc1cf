# Images with everything installed. They have been linted (hadolint), but NOT BUILT YET: no machine of
# ours has a Docker engine. Please report what does not work.
#
#   docker build --target cpu -t dreamer_tf:cpu .
#   docker build --target gpu -t dreamer_tf:gpu .
#   docker run --rm -v "$PWD/runs:/home/researcher/runs" dreamer_tf:cpu --gin_files=atari_small.gin
#   docker run --rm --gpus all -v "$PWD/runs:/home/researcher/runs" dreamer_tf:gpu --gin_files=atari.gin

FROM python:3.11-slim-bookworm AS base
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1 MUJOCO_GL=egl
# OpenCV needs libGL and GLib, the control suite's renderer EGL or OSMesa, some wheels a compiler.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        build-essential libegl1 libgl1 libglib2.0-0 libosmesa6 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 researcher
WORKDIR /source
COPY setup.py pyproject.toml README.md constraints.txt ./
COPY dreamer_tf dreamer_tf
COPY gin_configs gin_configs
COPY baselines baselines

FROM base AS gpu
# constraints.txt has no pins for the CUDA packages; TensorFlow's extra pins them itself.
RUN pip install -c constraints.txt '.[gpu]'
USER 1000
WORKDIR /home/researcher
ENTRYPOINT ["dreamer-train"]

# The last stage is the default.
FROM base AS cpu
RUN pip install -c constraints.txt .
USER 1000
WORKDIR /home/researcher
ENTRYPOINT ["dreamer-train"]
