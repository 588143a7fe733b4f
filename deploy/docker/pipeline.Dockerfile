# Dagster's webserver, daemon, code server and runs: one image, the command says which.
# A tag may be moved: deploy/docker/digest.sh writes the digest behind it, which the workflow `images` has it do.
ARG BASE=python:3.12-slim-bookworm
# hadolint ignore=DL3006
FROM ${BASE} AS build
# For machines without a GPU: TORCH_INDEX=https://download.pytorch.org/whl/cpu takes torch from there, by version and
# without a hash, and leaves out what torch needs for GPUs, which is most of the image.
ARG TORCH_INDEX=
WORKDIR /build
COPY deploy/docker/pipeline.lock ./
RUN python -m venv /venv \
  && if [ -n "$TORCH_INDEX" ]; then \
    /venv/bin/pip install --no-cache-dir --no-deps --index-url "$TORCH_INDEX" \
      "$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' pipeline.lock)" \
    && awk '/^[a-z]/ { left_out = /^(nvidia-.*sys_platform|triton==|torch==)/ } !left_out' pipeline.lock > cpu.lock \
    && mv cpu.lock pipeline.lock; \
  fi \
  && /venv/bin/pip install --no-cache-dir --require-hashes --no-deps --requirement pipeline.lock
COPY pyproject.toml README.md LICENSE ./
COPY assets assets
COPY models models
COPY pipelines pipelines
COPY serving serving
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

# hadolint ignore=DL3006
FROM ${BASE}
# Spark's driver and executors need Java 17, LightGBM libgomp. Debian keeps one version of each for a release.
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install --no-install-recommends --yes libgomp1 openjdk-17-jre-headless \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin nextplay \
  && install --directory --owner=10001 /state
COPY --from=build /venv /venv
COPY deploy/dagster.yaml pipelines/workspace.yaml /opt/dagster/
ENV PATH=/venv/bin:$PATH \
  DAGSTER_HOME=/opt/dagster \
  DAGSTER_FILES=/state/dagster \
  NEXTPLAY_HOME=/state \
  HOME=/tmp \
  PYTHONDONTWRITEBYTECODE=1
# Writable at run time: /state (a volume or scratch space) and /tmp. All else may be read-only.
WORKDIR /opt/dagster
USER 10001
CMD ["dagster", "api", "grpc", "--host", "0.0.0.0", "--port", "4000", "--module-name", "pipelines.definitions"]
