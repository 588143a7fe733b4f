"""`make reproduce`: a version again from its kept inputs, and one sentence where that is not possible."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from assets.resources import Home
from assets.sequences.loading import TABLES
from assets.training import reproduction
from models.baselines import markov
from models.blend.scorer import BLEND
from models.bundle.bundle import bundle_hash, read_manifest
from models.networks import NETWORKS
from pipelines.operator.cli import answer
from serving.state.pointer import read_pointer


@pytest.fixture
def home(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("NEXTPLAY_HOME", home.path)
    monkeypatch.setenv("NEXTPLAY_PROGRESS", "false")
    return home


def version_of(home: Home, architecture: str) -> str:
    version = home.tracking().version_of(bundle_hash(home.bundles().current(architecture)))
    assert version is not None
    return version


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence on stderr."""
    said = capsys.readouterr()
    assert said.out == "" and said.err.endswith("\n") and said.err.count("\n") == 1
    return said.err


def test_the_champion_comes_out_equal(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    champion = read_pointer(home.pointer_file)
    assert champion is not None
    assert read_manifest(champion.folder(home.pointer_file)).architecture in (*NETWORKS, BLEND)
    assert answer(["reproduce", champion.version]) == 0
    said = capsys.readouterr().out
    assert f"Version {champion.version} (" in said and "came out equal, byte for byte" in said
    assert champion.bundle_hash[:16] in said and said.count("\n") == 1
    assert bundle_hash(Path(home.path) / "reproduced" / champion.version) == champion.bundle_hash


@pytest.mark.parametrize("baseline", ["popularity", "next_larger_id", "item_knn", "ease"])
def test_a_version_whose_bundle_is_gone_comes_out_equal(
    home: Home, baseline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    version, expected = version_of(home, baseline), bundle_hash(home.bundles().current(baseline))
    shutil.rmtree(home.bundles().current(baseline))
    assert answer(["reproduce", version]) == 0
    assert expected[:16] in capsys.readouterr().out


def test_later_tables_do_no_harm(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    version, now = version_of(home, "markov"), home.lake().current("split").path

    def write(paths: Mapping[str, Path]) -> None:
        for path in paths.values():
            shutil.copy(now, path)

    home.lake().publish_many("f" * 64, list(TABLES), write)
    assert answer(["reproduce", version]) == 0
    assert "came out equal" in capsys.readouterr().out


def test_another_result_is_told_with_what_differs(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    then = reproduction.environment()
    monkeypatch.setattr(markov, "SMOOTHINGS", (3.0,))
    monkeypatch.setattr(reproduction, "environment", lambda: then | {"numpy": "9.9"})
    assert answer(["reproduce", version_of(home, "markov")]) == 1
    said = told(capsys)
    assert "came out different" in said and f"numpy {then['numpy']} then and 9.9 now" in said
    assert "weights.safetensors" in said and "items.json" not in said


def test_without_its_tables_a_version_cannot_be_made(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    version, sequences = version_of(home, "markov"), home.lake().current("sequences").path
    content = bytearray(sequences.read_bytes())
    content[100] ^= 1
    sequences.write_bytes(content)
    assert answer(["reproduce", version]) == 1
    assert "of the table 'sequences' is not whole" in told(capsys)
    shutil.rmtree(sequences.parent)
    assert answer(["reproduce", version]) == 1
    assert f"Version {version} cannot be made again, as its data are gone" in told(capsys)


def test_other_code_is_told_with_the_commit(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reproduction, "code_of", lambda name: "c0de")
    assert answer(["reproduce", version_of(home, "markov")]) == 1
    said = told(capsys)
    assert "was made by other code: what makes a markov is c0de here" in said
    (registered,) = [v for v in home.tracking().versions() if v.version == version_of(home, "markov")]
    commit = home.tracking().environment_of(registered).get("commit")  # none where there is no repository
    assert (f"check out {commit}" if commit else "take the code that made it") in said


def test_without_bundle_and_manifest_a_version_is_gone(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    with home.tracking().run("lost", "fingerprint") as run:
        run.params({"logged": "no bundle"})
    version = home.tracking().register(run.run_id, "0" * 64, "its bundle is nowhere")
    assert answer(["reproduce", version]) == 1
    assert f"The bundle of version {version} is gone" in told(capsys)


@pytest.mark.parametrize("version", ["99", "", "three"])
def test_an_unknown_version_is_told(home: Home, version: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["reproduce", version]) == 1
    assert f"There is no version {version}: make status lists those that there are." in told(capsys)
