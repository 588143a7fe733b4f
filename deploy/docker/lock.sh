#!/bin/sh
# Writes the locks beside this file: what the images install, each version with the hashes of its files, by uv out of
# constraints.txt. After a change of versions: deploy/docker/lock.sh
set -eu
cd "$(dirname "$0")/../.."
lock() { uv pip compile --quiet --constraint constraints.txt --generate-hashes --universal --python-version 3.12 --no-annotate --custom-compile-command deploy/docker/lock.sh "$@"; }
lock deploy/docker/endpoint-requirements.txt --output-file deploy/docker/endpoint.lock
lock pyproject.toml --extra spark --extra postgres --extra s3 --extra training --extra kubernetes --extra stages \
  --output-file deploy/docker/pipeline.lock
