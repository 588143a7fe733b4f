"""The asset raw_files, its checks, and how others open the files."""

import gzip
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from assets.ingest import raw_files as raw
from assets.ingest.download import DownloadSettings
from assets.ingest.raw_files import current_raw_files, raw_files, raw_files_are_unchanged, raw_files_hold_data
from assets.resources import Home, Source
from assets.state.lake import LakeError
from pipelines.failures import sentence
from tests.support.homes import evaluation

LIBRARIES = gzip.compress(b"{'user_id': 'ada', 'items': []}\n" * 500, mtime=0)
GAMES = gzip.compress(b"{u'id': u'10'}\n", mtime=0)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(path=str(tmp_path / "home"))


@pytest.fixture
def given(tmp_path: Path) -> Source:
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "libraries.gz").write_bytes(LIBRARIES)
    (folder / "games.gz").write_bytes(GAMES)
    return source(folder)


def source(folder: Path) -> Source:
    return Source(name="steam", libraries=str(folder / "libraries.gz"), games=str(folder / "games.gz"))


def run(home: Home, source: Source) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [raw_files, raw_files_are_unchanged, raw_files_hold_data],
        resources={"home": home, "source": source},
        raise_on_error=False,
    )


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node("raw_files")
    return {name: value.value for name, value in event.metadata.items()}


def failure(home: Home, source: Source) -> dg.Failure:
    with dg.build_asset_context() as context, pytest.raises(dg.Failure) as caught:
        raw_files(context, home=home, source=source)
    return caught.value


def test_files_are_recorded_and_checked(home: Home, given: Source, tmp_path: Path) -> None:
    result = run(home, given)

    assert result.success
    assert {check.check_name: check.passed for check in result.get_asset_check_evaluations()} == {
        "raw_files_are_unchanged": True,
        "raw_files_hold_data": True,
    }
    table = pq.read_table(home.lake().current("raw_files").path)
    assert table.column_names == ["role", "path", "sha256", "bytes", "address"]
    assert table["role"].to_pylist() == ["libraries", "games"]
    assert table["bytes"].to_pylist() == [len(LIBRARIES), len(GAMES)]
    files = current_raw_files(home)
    assert [file.path for file in files] == [
        tmp_path / "given" / "libraries.gz",
        tmp_path / "given" / "games.gz",
    ]
    shown = metadata(result)
    assert shown["libraries was"] == "in place"
    assert shown["libraries SHA-256"] == files[0].sha256
    assert "| libraries | " in shown["files"]


def test_the_fingerprint_follows_the_content_and_not_the_place(
    home: Home, given: Source, tmp_path: Path
) -> None:
    run(home, given)
    before = home.lake().current("raw_files")
    elsewhere = (tmp_path / "given").rename(tmp_path / "elsewhere")
    run(home, source(elsewhere))

    assert home.lake().current("raw_files") == before
    assert current_raw_files(home)[0].path == elsewhere / "libraries.gz"

    (elsewhere / "games.gz").write_bytes(GAMES + GAMES)
    run(home, source(elsewhere))

    assert home.lake().current("raw_files").fingerprint != before.fingerprint


def test_a_home_that_moved_still_works(home: Home, tmp_path: Path) -> None:
    run(home, Source(sample_size="tiny"))
    moved = tmp_path / "moved"
    Path(home.path).rename(moved)

    files = current_raw_files(Home(path=str(moved)))

    assert [file.role for file in files] == ["libraries", "games"]
    assert all(file.path.is_relative_to(moved) and file.path.is_file() for file in files)
    assert evaluation(raw_files_are_unchanged, home=Home(path=str(moved))).passed


def test_a_home_that_was_copied_needs_nothing_of_the_first(home: Home, tmp_path: Path) -> None:
    run(home, Source(sample_size="tiny"))
    copy = tmp_path / "copy"
    shutil.copytree(home.path, copy, symlinks=True)
    shutil.rmtree(home.path)

    assert evaluation(raw_files_are_unchanged, home=Home(path=str(copy))).passed


def test_a_recorded_file_can_be_given_by_its_recorded_name(home: Home, given: Source) -> None:
    run(home, given)
    recorded = home.folder("raw", "files") / current_raw_files(home)[0].sha256
    result = run(home, Source(name="steam", libraries=str(recorded), games=given.games))

    assert result.success
    assert current_raw_files(home)[0].path.read_bytes() == LIBRARIES


def test_a_changed_file_fails_its_check(home: Home, given: Source, tmp_path: Path) -> None:
    run(home, given)
    libraries = tmp_path / "given" / "libraries.gz"

    libraries.write_bytes(LIBRARIES + b"\0")
    changed = evaluation(raw_files_are_unchanged, home=home)
    libraries.unlink()
    missing = evaluation(raw_files_are_unchanged, home=home)

    assert not changed.passed
    assert changed.description == (
        f"{libraries} has changed since it was recorded: materialize raw_files again."
    )
    assert not missing.passed
    assert missing.description == f"{libraries} is missing: materialize raw_files again."


@pytest.mark.parametrize(
    ("content", "passed"),
    [(LIBRARIES, True), (gzip.compress(b""), False), (b"", False), (b"plain", False), (LIBRARIES[:5], False)],
    ids=[
        "whole",
        "empty inside",
        "empty",
        "not gzipped",
        "cut off",
    ],  # a gzip file holds the time of its making
)
def test_a_file_without_data_fails_its_check(
    home: Home, given: Source, tmp_path: Path, content: bytes, passed: bool
) -> None:
    run(home, given)
    (tmp_path / "given" / "libraries.gz").write_bytes(content)

    assert evaluation(raw_files_hold_data, home=home).passed is passed


def test_a_failing_check_blocks_what_comes_after(home: Home, given: Source, tmp_path: Path) -> None:
    (tmp_path / "given" / "libraries.gz").write_bytes(gzip.compress(b""))
    reached: list[str] = []

    @dg.asset(deps=[raw_files])
    def after() -> None:
        reached.append("after")

    result = dg.materialize(
        [raw_files, raw_files_are_unchanged, raw_files_hold_data, after],
        resources={"home": home, "source": given},
        raise_on_error=False,
    )

    assert not result.success
    assert reached == []
    (failed,) = (event for event in result.all_events if event.is_step_failure)
    libraries = tmp_path / "given" / "libraries.gz"
    assert sentence(failed) == f"{libraries} holds no data: materialize raw_files again."


def test_a_mistake_is_one_sentence_and_not_tried_again(home: Home) -> None:
    caught = failure(home, Source(name="steam", libraries="/no/such/file.gz"))

    assert caught.description == (
        "NEXTPLAY_STEAM_LIBRARIES names /no/such/file.gz, which does not exist: give the path of a gzip file."
    )
    assert not caught.allow_retries
    with pytest.raises(LakeError):
        current_raw_files(home)


def test_a_run_with_a_mistake_ends_at_once(home: Home) -> None:
    result = run(home, Source(name="nowhere"))

    assert not result.success
    events = {event.event_type for event in result.all_events}
    assert dg.DagsterEventType.STEP_FAILURE in events
    assert dg.DagsterEventType.STEP_UP_FOR_RETRY not in events


@pytest.mark.parametrize(
    ("address", "transient"),
    [("http://no-such-host.invalid/libraries.gz", True), ("http:///libraries.gz", False)],
)
def test_only_what_may_pass_is_tried_again(
    home: Home, monkeypatch: pytest.MonkeyPatch, address: str, transient: bool
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(raw, "DOWNLOAD", DownloadSettings(tries=1, connect_timeout=2.0))

    caught = failure(home, Source(name="steam", libraries=address))

    assert str(caught.description).startswith("Cannot download libraries")
    assert caught.allow_retries is transient
    assert raw_files.op.retry_policy is not None
    assert raw_files.op.retry_policy.max_retries == 2
