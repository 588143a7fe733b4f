#!/bin/sh
# Pins the base image of both Dockerfiles by the digest that its tag has now, so that every build starts from the same
# bytes until this is run again: deploy/docker/digest.sh. Asks the registry with skopeo, which needs no daemon.
#   deploy/docker/digest.sh --missing   does it only where no digest stands yet, as the workflow `images` does
set -eu
cd "$(dirname "$0")"
pinned=$(sed -n 's/^ARG BASE=//p' pipeline.Dockerfile)
tag=${pinned%@*}
if [ "${1:-}" = --missing ] && [ "$pinned" != "$tag" ]; then
  echo "The base image is $pinned."
  exit 0
fi
digest=$(skopeo inspect --no-tags --format '{{.Digest}}' "docker://$tag")
case $digest in sha256:*) ;; *)
  echo "The registry gave no digest of $tag, but: $digest" >&2
  exit 1
  ;;
esac
sed -i "s|^ARG BASE=.*|ARG BASE=$tag@$digest|" pipeline.Dockerfile endpoint.Dockerfile
echo "The base image is $tag@$digest now: commit both Dockerfiles."
