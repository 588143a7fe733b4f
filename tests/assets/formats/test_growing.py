"""A column on the disk is the one in memory, and leaves nothing behind."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.formats.growing import GrowingColumn

NUMBERS = st.lists(st.integers(-(2**31), 2**31 - 1), max_size=50)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(pieces=st.lists(NUMBERS, max_size=5))
def test_on_the_disk_as_in_memory(tmp_path: Path, pieces: list[list[int]]) -> None:
    for folder in (None, tmp_path):
        column = GrowingColumn(folder)
        for piece in pieces:
            column.append(np.array(piece, dtype=np.int32))
        whole = column.whole()
        assert whole.dtype == np.int32
        assert whole.tolist() == [number for piece in pieces for number in piece]
        assert list(tmp_path.iterdir()) == []


def test_what_lies_on_the_disk_cannot_be_changed_by_its_readers(tmp_path: Path) -> None:
    column = GrowingColumn(tmp_path)
    column.append(np.arange(3, dtype=np.int32)[::-1])
    with pytest.raises(ValueError, match="read-only"):
        column.whole()[0] = 1
