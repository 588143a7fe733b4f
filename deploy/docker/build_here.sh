#!/bin/bash
# Builds both images where there is no Docker daemon and no image registry, and starts what is in them: two tiny
# runs, and the endpoint with their champion, as user 10001 on a read-only root. As root, on Debian, with debootstrap
# and buildah. Debian's own Python stands for the base image, so this tries the steps of the Dockerfiles and the
# rights at run time, not the base.
#   deploy/docker/build_here.sh FOLDER [ARGUMENT OF buildah build ...]
set -euo pipefail
if [ $# = 0 ]; then
  echo "Say where to build, a folder with 15 GB free: deploy/docker/build_here.sh /var/tmp/images"
  exit 1
fi
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=${STORAGE_DRIVER:-vfs} # overlay needs a third of the disk
PORT=${PORT:-3000}

store() { buildah --root "$folder/store" --runroot "$folder/run" "$@"; }

# The image that the Dockerfiles start from.
make_base() {
  local wanted=$1 root=$folder/base container
  store inspect --type image "$wanted" >/dev/null 2>&1 && return
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$root" >"$folder/base.log"
  ln -sf python3 "$root/usr/bin/python"
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/" # with those of a proxy on the way out
  container=$(store from scratch)
  tar -C "$root" -cf "$root.tar" .
  store add --quiet "$container" "$root.tar" /
  store config --env PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin "$container"
  store commit --quiet --rm "$container" "$wanted"
  rm -rf "$root" "$root.tar"
}

# inside IMAGE RIGHTS NAME=VALUE ... -- COMMAND: with $folder/state at /state, ro or rw; all else is read-only but /tmp.
inside() {
  local image=$1 rights=$2 root variables=() container
  shift 2
  while [ "$1" != -- ]; do
    variables+=("$1")
    shift
  done
  shift
  container=$(store from --pull-never "$image")
  root=$(store mount "$container")
  mapfile -t given < <(store inspect --format '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' "$container" | sed '/^$/d')
  mkdir -p "$root/state"
  echo "127.0.0.1 localhost" >"$root/etc/hosts" # as a container has it
  ROOT=$root STATE=$folder/state RIGHTS=$rights unshare --mount --pid --fork bash -c '
    set -e
    mount --bind "$ROOT" "$ROOT"
    mount -o remount,bind,ro "$ROOT"
    mount -t proc proc "$ROOT/proc"
    mount --rbind /dev "$ROOT/dev"
    mount -t tmpfs -o mode=1777 tmpfs "$ROOT/dev/shm"
    mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
    mount --bind "$STATE" "$ROOT/state"
    mount -o "remount,bind,$RIGHTS" "$ROOT/state"
    exec chroot --userspec=10001:10001 "$ROOT" env -i "$@"' bash "${given[@]}" "${variables[@]}" "$@"
}

BASE=docker.io/library/python:3.12-slim-bookworm
make_base "$BASE"
for name in endpoint pipeline; do
  echo "building $name"
  store build --pull=never --network host --build-arg "BASE=$BASE" "$@" --tag "nextplay-$name" --file "deploy/docker/$name.Dockerfile" . \
    >"$folder/$name.log" 2>&1 || { tail -n 20 "$folder/$name.log"; exit 1; }
done
store images

install --directory --owner=10001 "$folder/state"
inside nextplay-pipeline rw DAGSTER_HOME=/state/dagster NEXTPLAY_SAMPLE_SIZE=tiny 'NEXTPLAY_TRAINING={"epochs": 2}' -- python -m pipelines.run
inside nextplay-pipeline rw DAGSTER_HOME=/state/dagster NEXTPLAY_SAMPLE_SIZE=tiny 'NEXTPLAY_TRAINING={"epochs": 2}' \
  NEXTPLAY_CANDIDATES=two_stage -- python -m pipelines.run # a ranker of LightGBM
inside nextplay-endpoint ro NEXTPLAY_POINTER=/state/champion/pointer.json "NEXTPLAY_PORT=$PORT" -- python -m serving &
endpoint=$!
trap 'kill "$endpoint" 2>/dev/null; wait' EXIT
curl --silent --fail --retry 60 --retry-delay 1 --retry-all-errors "http://127.0.0.1:$PORT/readyz" >/dev/null
curl --silent --fail --json '{"user_id": "nobody", "k": 3}' "http://127.0.0.1:$PORT/recommend"
echo
echo "Both images were built, and what is in them runs as user 10001 on a read-only root."
