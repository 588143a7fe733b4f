"""What the images install: the versions that are tested, each with the hashes of its files."""

import re
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
        one for extra in ("spark", "postgres", "s3", "training", "kubernetes") for one in extras[extra]
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
