"""One place says which release this is; whatever carries a version carries that one."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from assets.tracking.tracking import environment
from models.bundle.bundle import name_release, read_manifest
from models.release import RELEASE
from pipelines.operator.cli import answer
from tests.support.champions import write_baseline

ROOT = Path(__file__).resolve().parents[1]


def test_the_command_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["--version"]) == 0
    assert capsys.readouterr().out == f"nextplay {RELEASE}\n"


def test_the_package_takes_it_from_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    module, _, name = project["tool"]["setuptools"]["dynamic"]["version"]["attr"].rpartition(".")
    value = f"from {module} import {name}; print({name})"
    said = subprocess.run([sys.executable, "-c", value], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == RELEASE


def test_images_are_tagged_with_it() -> None:
    files = list((ROOT / "deploy").rglob("*.yaml"))
    ours = re.compile(
        r"(?:image|repository): *(?:\S*/)?nextplay-(?:pipeline|endpoint)(?::(\S+)|\s*\n\s*tag: *(\S+))?"
    )
    found = {(path.name, a or b) for path in files for a, b in ours.findall(path.read_text())}
    assert {name for name, _ in found} == {
        "compose.yaml", "dagster-values.yaml", "endpoint.yaml", "mlflow.yaml",
    }  # fmt: skip
    assert {tag for _, tag in found} == {RELEASE}


def test_a_bundle_and_a_run_say_who_made_them(tmp_path: Path) -> None:
    write_baseline(tmp_path / "bundle", 1)
    assert read_manifest(tmp_path / "bundle").release == RELEASE == environment()["nextplay"]
    name_release(tmp_path / "bundle", "0.9.0")
    assert read_manifest(tmp_path / "bundle").release == "0.9.0"


def test_one_of_before_says_nothing(tmp_path: Path) -> None:
    write_baseline(tmp_path / "bundle", 1)
    manifest = tmp_path / "bundle" / "manifest.json"
    manifest.write_text(
        "\n".join(line for line in manifest.read_text().splitlines() if "release" not in line)
    )
    assert read_manifest(tmp_path / "bundle").release == ""
