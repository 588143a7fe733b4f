# Dagster's webserver, daemon, code server and runs: one image, the command says which.
FROM python:3.12-slim-bookworm AS build
WORKDIR /build
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY assets assets
COPY models models
COPY pipelines pipelines
COPY serving serving
RUN python -m venv /venv \
  && /venv/bin/pip install --no-cache-dir --constraint constraints.txt ".[spark,postgres,s3,training,kubernetes]"

FROM python:3.12-slim-bookworm
# Spark's driver and executors need Java 17. Debian keeps one version of it for each release.
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install --no-install-recommends --yes openjdk-17-jre-headless \
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
