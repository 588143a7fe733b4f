"""Semantic ids night by night: made where a candidate needs them, kept, and in what bundles are made from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.resources import Home, Training
from assets.sequences import semantic_ids as asset
from assets.sequences.loading import load_codes, load_items
from assets.sequences.semantic_ids import CODEBOOKS, needs_codes, read_ids
from assets.sequences.sequences_tables import ITEMS
from models.codes import rqvae
from tests.support.tables import publish

TIGER = Training(candidates=["sasrec", "tiger"])


def vocabulary(home: Home, n: int, genres: bool = True) -> None:
    kinds = [[f"genre {i % 4}", f"mood {i % 3}"] if genres else None for i in range(n)]
    rows = [(i + 1, f"i{i:03}", f"i{i:03}", 1, kinds[i], None, None, None, None, None) for i in range(n)]
    publish(home.lake(), ITEMS.name, rows)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(path=str(tmp_path))
    vocabulary(home, 60)
    return home


def made(home: Home, training: Training = TIGER, refit: bool = False) -> dict[str, Any]:
    """What the asset tells of a run, in which all its checks pass."""
    result = dg.materialize(
        [asset.semantic_ids_asset, *asset.SEMANTIC_IDS_CHECKS],
        resources={"home": home, "training": training, "cleaning": dg.ResourceDefinition.none_resource()},
        run_config={"ops": {"semantic_ids": {"config": {"refit": refit}}}},
        instance=dg.DagsterInstance.ephemeral(),
    )
    assert result.success
    assert all(found.passed for found in result.get_asset_check_evaluations())
    (event,) = result.asset_materializations_for_node("semantic_ids")
    return {name: value.value for name, value in event.metadata.items()}


@pytest.mark.parametrize(
    ("candidates", "changes", "needed"),
    [
        (["sasrec", "gru4rec"], {}, False),
        (["sasrec", "tiger"], {}, True),
        (["sasrec"], {"codes": True}, True),
    ],
)
def test_a_candidate_needs_them_or_none_does(
    candidates: Sequence[str], changes: dict[str, Any], needed: bool
) -> None:
    assert needs_codes(Training(candidates=list(candidates), changes=changes)) is needed


def test_by_default_nothing_is_made(home: Home) -> None:
    assert "no candidate knows items by their codes" in made(home, Training())["made"]
    assert not home.lake().has("semantic_ids") and not Path(home.path, *CODEBOOKS).exists()


def test_known_items_keep_their_ids_and_new_ones_get_theirs(home: Home) -> None:
    told = made(home)
    before = read_ids(home.lake())
    assert told["codebooks"] == "fitted" and len(before) == len(set(before.values())) == 60
    vocabulary(home, 70)
    assert load_codes(home.lake(), load_items(home.lake())) is None, "ten items have none yet"
    told = made(home)
    after = read_ids(home.lake())
    assert (told["codebooks"], told["new items"]) == ("kept", 10)
    assert len(after) == len(set(after.values())) == 70 and {item: after[item] for item in before} == before
    items = load_items(home.lake())
    codes = load_codes(home.lake(), items)
    assert codes is not None and [tuple(row) for row in codes[1:].tolist()] == [
        after[item] for item in items.ids[1:]
    ]
    vocabulary(home, 40)
    made(home)
    assert read_ids(home.lake()) == after, "an item that is gone keeps its id, should it come again"


def test_the_same_night_again_publishes_the_same_version(home: Home) -> None:
    made(home)
    first = home.lake().current("semantic_ids").fingerprint
    made(home)
    assert home.lake().current("semantic_ids").fingerprint == first


def test_books_are_fitted_anew_when_that_is_asked_for(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rqvae, "EPOCHS", 2)
    made(home)
    vocabulary(home, 20)
    assert made(home, refit=True)["codebooks"] == "fitted"
    assert len(read_ids(home.lake())) == 20
    assert made(home, Training(candidates=["tiger"], semantic_ids="rqvae"))["codebooks"] == "fitted"
    assert made(home, Training(candidates=["tiger"], semantic_ids="rqvae"))["codebooks"] == "kept"


def test_books_that_cannot_be_read_are_fitted_anew(home: Home) -> None:
    made(home)
    (home.folder(CODEBOOKS[0]) / CODEBOOKS[1]).write_bytes(b"no books")
    assert made(home)["codebooks"] == "fitted"


def test_a_kill_between_books_and_ids_leaves_no_ids_of_other_books(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise InterruptedError

    made(home)
    vocabulary(home, 20)
    with monkeypatch.context() as patch:
        patch.setattr(asset, "publish_rows", killed)
        with pytest.raises(InterruptedError):
            made(home, refit=True)
    assert made(home)["codebooks"] == "fitted"
    assert len(read_ids(home.lake())) == 20
    assert made(home)["codebooks"] == "kept"


def test_where_nothing_is_known_of_the_items_there_are_none(home: Home) -> None:
    vocabulary(home, 10, genres=False)
    assert "nothing that two items have in common" in made(home)["made"]
    assert load_codes(home.lake(), load_items(home.lake())) is None
