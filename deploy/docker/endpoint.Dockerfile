# The endpoint: no torch, no Dagster, no MLflow. The champion is fetched when the container starts. One worker:
# the autoscaler counts containers. On a machine of its own, set NEXTPLAY_WORKERS to its cores.
# A tag may be moved: deploy/docker/digest.sh writes the digest behind it, which the workflow `images` has it do.
ARG BASE=python:3.12-slim-bookworm
# hadolint ignore=DL3006
FROM ${BASE} AS build
WORKDIR /build
COPY deploy/docker/endpoint.lock ./
RUN python -m venv /venv \
  && /venv/bin/pip install --no-cache-dir --require-hashes --no-deps --requirement endpoint.lock

# hadolint ignore=DL3006
FROM ${BASE}
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin nextplay
COPY --from=build /venv /venv
COPY models /app/models
COPY serving /app/serving
ENV PATH=/venv/bin:$PATH \
  PYTHONPATH=/app \
  NEXTPLAY_CACHE=/tmp/nextplay \
  NEXTPLAY_HOST=0.0.0.0 \
  NEXTPLAY_WORKERS=1 \
  HOME=/tmp \
  PYTHONDONTWRITEBYTECODE=1
# Writable at run time: /tmp alone.
WORKDIR /app
USER 10001
EXPOSE 3000
CMD ["python", "-m", "serving"]
