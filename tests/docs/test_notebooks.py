"""The notebooks of the docs run from the first cell to the last, and show what they show there."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))


def shown(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """The kinds of what each code cell shows: a table, text, an error or nothing."""
    return [
        [output.output_type for output in cell.outputs] for cell in notebook.cells if cell.cell_type == "code"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path) -> None:
    kept = nbformat.read(path, as_version=4)
    run = nbformat.read(path, as_version=4)
    NotebookClient(run, timeout=240, kernel_name="python3").execute()
    assert shown(run) == shown(kept)


def test_there_is_a_notebook() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["first-steps"]
