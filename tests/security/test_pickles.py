"""Nothing is pickled, and nothing is unpickled: neither by the code nor in what a run leaves behind."""

import ast
import gzip
import io
import pickle
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("pipelines", "assets", "models", "serving", "benchmarks")
UNPICKLERS = {
    "pickle",
    "cPickle",
    "_pickle",
    "cloudpickle",
    "dill",
    "joblib",
    "shelve",
    "marshal",
    "jsonpickle",
}
CALLS = {("torch", "load"), ("pd", "read_pickle"), ("pandas", "read_pickle"), ("yaml", "load")}


def faults(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").split(".")[0]}
        else:
            names = set()
        yield from (f"line {node.lineno}: import of {name}" for name in names & UNPICKLERS)
        if isinstance(node, ast.Call):
            called = node.func
            named = isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name)
            if named and (called.value.id, called.attr) in CALLS:
                yield f"line {node.lineno}: {called.value.id}.{called.attr}"
            for keyword in node.keywords:
                value = keyword.value
                if keyword.arg == "allow_pickle" and not (
                    isinstance(value, ast.Constant) and value.value is False
                ):
                    yield f"line {node.lineno}: allow_pickle"


def test_the_code_neither_pickles_nor_unpickles() -> None:
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    assert len(files) > 80
    found = [
        f"{path.relative_to(ROOT)}, {fault}"
        for path in files
        for fault in faults(ast.parse(path.read_text()))
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    ["import pickle", "from joblib import load", "torch.load('x')", "np.load('x', allow_pickle=True)"],
)
def test_the_search_finds_what_it_is_for(code: str) -> None:
    assert list(faults(ast.parse(code)))


def is_pickle(content: bytes) -> bool:
    """Whether content is a pickle of protocol 2 or later, or an archive with one (as torch.save writes)."""
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return any(is_pickle(archive.read(name)) for name in archive.namelist())
    if content[:2] == b"\x1f\x8b":
        return is_pickle(gzip.decompress(content))
    if len(content) < 3 or content[0] != 0x80 or not 2 <= content[1] <= pickle.HIGHEST_PROTOCOL:
        return False
    try:
        for _ in pickletools.genops(content):
            pass
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_known_as_one(protocol: int) -> None:
    content = pickle.dumps({"a": [1, 2, 3]}, protocol)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("data.pkl", content)
    assert is_pickle(content) and is_pickle(gzip.compress(content)) and is_pickle(archive.getvalue())
    assert not is_pickle(b"{}") and not is_pickle(b"\x80\x04 no pickle")


def test_a_run_leaves_no_pickle_behind(tiny_run) -> None:
    files = [path for path in Path(tiny_run.home.path).rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 50
    assert [str(path) for path in files if is_pickle(path.read_bytes())] == []
