"""Ids, names and versions are values: whatever they hold, nothing is written outside of the home."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.clean.clean import clean
from assets.ingest.raw_files import raw_files
from assets.resources import Cleaning, Home, Source
from assets.state.bundles import BundleStore
from assets.state.lake import Lake, LakeError, fingerprint
from models.bundle.ids import MAX_ID

HOSTILE = (
    "../../outside", "/etc/passwd", "..", ".", "a/b", "a\\b", "C:\\x", "~root", "$(touch outside)", "`id`",
    "'; DROP TABLE items; --", '"', "a\nb", "a\tb", "%00", "\u202egnp.exe", "<script>alert(1)</script>",
    "{{7*7}}", "file:///etc/passwd", "-rf", "*", "?", "con", "💥", "a" * 300,
)  # fmt: skip
ids = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40
)


def outside(root: Path, home: Path) -> set[Path]:
    return {path for path in root.rglob("*") if not path.is_relative_to(home)}


@settings(max_examples=200, deadline=None)
@given(ids)
def test_a_table_has_a_name_that_is_one(name: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        lake = Lake(root / "home" / "lake")
        try:
            lake.publish(name, fingerprint("x"), lambda path: pq.write_table(pa.table({"a": [1]}), path))
        except LakeError:
            assert not (root / "home" / "lake" / "tables").exists()
        assert {p.relative_to(root).parts[0] for p in root.rglob("*")} == {"home"}
        for ask in (lake.current, lake.has, lake.versions):
            try:
                ask(name)
            except LakeError as error:
                assert "\n" not in str(error).replace(name, "")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bundle_has_a_name_that_is_one(name: str, tmp_path: Path) -> None:
    store = BundleStore(tmp_path / "home" / "bundles")
    before = outside(tmp_path, tmp_path / "home")
    with pytest.raises(ValueError, match="no name"):
        store.publish(f"../{name}", fingerprint("x"), lambda folder: None)
    with pytest.raises(ValueError, match="no name"):
        store.publish("sasrec", f"../{name}" * 8, lambda folder: None)
    assert outside(tmp_path, tmp_path / "home") == before


def test_ids_pass_through_the_tables_as_they_are_or_are_refused_as_too_long(tmp_path: Path) -> None:
    import dagster as dg

    rows = [(user, item, time) for user in HOSTILE for time, item in enumerate(HOSTILE)]
    short = {name for name in HOSTILE if len(name) <= MAX_ID}
    columns = dict(zip(("user_id", "item_id", "timestamp"), map(list, zip(*rows, strict=True)), strict=True))
    plays = tmp_path / "plays.parquet"
    pq.write_table(pa.table(columns), plays)
    home = Home(path=str(tmp_path / "home"))
    before = outside(tmp_path, tmp_path / "home")
    resources = {"home": home, "source": Source(name="table", table=str(plays)), "cleaning": Cleaning()}
    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([raw_files, clean], instance=instance, resources=resources).success
    kept = pq.read_table(home.lake().current("interactions").path).to_pylist()
    assert {row["user_id"] for row in kept} == short == {row["item_id"] for row in kept}
    assert len(kept) == len(short) ** 2
    refused = pq.read_table(home.lake().current("quarantine").path).to_pylist()
    assert len(refused) == len(rows) - len(kept)
    assert all(f"more than {MAX_ID} characters" in row["reason"] for row in refused)
    assert outside(tmp_path, tmp_path / "home") == before
    names = {path.name for path in (tmp_path / "home").rglob("*")}
    assert not names & (set(HOSTILE) - {".", ".."})
