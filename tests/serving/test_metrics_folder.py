from pathlib import Path

import pytest

from serving.metrics_folder import MEMORY, metrics_folder


def test_metrics_lie_in_memory_where_no_full_disk_reaches_them() -> None:
    if not MEMORY.is_dir():
        pytest.skip("this system has no folder in memory")
    with metrics_folder() as folder:
        assert Path(folder).parent == MEMORY and Path(folder).stat().st_mode & 0o077 == 0
    assert not Path(folder).exists()


def test_without_memory_for_files_the_folder_is_a_temporary_one(tmp_path: Path) -> None:
    with metrics_folder(tmp_path / "none") as folder:
        assert Path(folder).is_dir()


def test_what_killed_processes_left_goes_and_what_is_in_use_stays(tmp_path: Path) -> None:
    left, others = tmp_path / "nextplay-metrics-left", tmp_path / "nextplay-metrics-begun"
    for folder in (left, others):
        folder.mkdir()
    (left / "in-use").touch()  # nobody holds it any more
    with metrics_folder(tmp_path) as one, metrics_folder(tmp_path) as other:
        assert not left.exists() and others.exists()
        assert Path(one).is_dir() and Path(other).is_dir()
