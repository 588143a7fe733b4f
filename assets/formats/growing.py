"""Columns that grow piece by piece: in memory, or on the disk where memory may not hold them."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class GrowingColumn:
    """Numbers of 32 bits. With a folder they lie in a file there that has no name and ends with its readers.

    The system then keeps in memory what fits, and reads the rest when it is asked for.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder) if folder else None  # noqa: SIM115 (it outlives this)
        self._pieces: list[NDArray[np.int32]] = [np.empty(0, np.int32)]
        self._length = 0

    def append(self, piece: NDArray[np.int32]) -> None:
        self._length += len(piece)
        if self._file is None:
            self._pieces.append(piece)
        else:
            self._file.write(np.ascontiguousarray(piece, dtype=np.int32).data)

    def whole(self) -> NDArray[np.int32]:
        """All pieces as one; nothing may be appended afterwards."""
        if self._file is None or not self._length:
            return np.concatenate(self._pieces)
        self._file.flush()
        mapped = np.memmap(self._file, dtype=np.int32, mode="r")
        self._file.close()  # the mapping holds it open
        return mapped
