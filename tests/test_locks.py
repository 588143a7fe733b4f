"""What the images install: the versions that are tested, each with the hashes of its files."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCKER = ROOT / "deploy" / "docker"
LINE = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==(\S+?)(?: ;.*)?(?: \\)?$", re.MULTILINE)
PINNED = dict(LINE.findall((ROOT / "constraints.txt").read_text()))


def named(requirement: str) -> str:
    return re.split(r"[\[<>=!; ]", requirement)[0].lower().replace("_", "-")


def locked(image: str) -> dict[str, str]:
    return dict(LINE.findall((DOCKER / f"{image}.lock").read_text()))


@pytest.mark.parametrize("image", ["endpoint", "pipeline"])
def test_a_lock_holds_what_the_constraints_pin_with_hashes(image: str) -> None:
    text, versions = (DOCKER / f"{image}.lock").read_text(), locked(image)
    assert len(versions) > 30
    assert {name: version for name, version in versions.items() if PINNED.get(name, version) != version} == {}
    for entry in re.split(r"\n(?=[a-z0-9])", text)[1:]:
        assert "--hash=sha256:" in entry, entry
    dockerfile = (DOCKER / f"{image}.Dockerfile").read_text()
    assert f"--require-hashes --no-deps --requirement {image}.lock" in dockerfile


def test_the_locks_hold_all_that_is_wanted() -> None:
    endpoint = (DOCKER / "endpoint-requirements.txt").read_text().split()
    assert {named(wanted) for wanted in endpoint} <= locked("endpoint").keys()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    wanted += [
        one
        for extra in ("spark", "postgres", "s3", "training", "kubernetes", "stages")
        for one in extras[extra]
    ]
    assert {named(one) for one in wanted} <= locked("pipeline").keys()


def test_what_an_image_without_gpus_leaves_out_is_for_gpus() -> None:
    """The pattern of the Dockerfile: what it drops is nothing that the rest imports."""
    lines = (DOCKER / "pipeline.lock").read_text().splitlines()
    (pattern,) = re.findall(r"left_out = /(.*?)/ }", (DOCKER / "pipeline.Dockerfile").read_text())
    dropped = [line.split("==")[0] for line in lines if re.match(pattern, line)]
    assert {"torch", "triton"} < set(dropped)
    assert all(name.startswith("nvidia-") for name in set(dropped) - {"torch", "triton"})
    assert "nvidia-ml-py" not in dropped  # of BentoML


def pinned(folder: Path) -> set[str]:
    files = folder.glob("*.Dockerfile")
    return {line for file in files for line in file.read_text().splitlines() if line.startswith("ARG BASE=")}


@pytest.mark.parametrize("answer", ["sha256:" + "a" * 64, "", "no such image"])
def test_the_base_image_is_pinned_by_the_digest_that_its_tag_has(answer: str, tmp_path: Path) -> None:
    """The registry is a script that answers as skopeo does."""
    folder, tools = shutil.copytree(DOCKER, tmp_path / "docker"), tmp_path / "bin"
    tools.mkdir()
    (tools / "skopeo").write_text(f'#!/bin/sh\necho "$@" >> "{tools}/asked"\nprintf "%s" "{answer}"\n')
    (tools / "skopeo").chmod(0o755)

    def run(*arguments: str) -> int:
        path = {"PATH": f"{tools}:/usr/bin:/bin"}
        return subprocess.run([folder / "digest.sh", *arguments], env=path, check=False).returncode

    before = pinned(folder)
    if not answer.startswith("sha256:"):
        assert run() == 1 and pinned(folder) == before
        return
    (tag,) = {line.partition("@")[0] for line in before}
    for arguments in ((), ("--missing",)):
        assert run(*arguments) == 0
        assert pinned(folder) == {f"{tag}@{answer}"}
    asked = (tools / "asked").read_text().splitlines()
    assert len(asked) == 1 and asked[0].endswith(f"docker://{tag.removeprefix('ARG BASE=')}")
    assert run() == 0 and pinned(folder) == {f"{tag}@{answer}"}  # looked up anew, by the tag
    assert len((tools / "asked").read_text().splitlines()) == 2
