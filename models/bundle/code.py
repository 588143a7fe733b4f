"""Which code made something, derived from the imports: nobody types a version.

A file is a part of what made a result when the file that made it imports it, directly or not. So a change of
a loss makes every network anew, and a change of the event store makes none.
"""

import ast
import hashlib
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # the folder of models/, assets/, serving/ and pipelines/
ASSETS = ROOT / "assets"
PACKAGES = ("models", "assets", "serving", "pipelines")  # other folders beside them are not ours


def code_version(*modules: str, without: Collection[str] = (), statements: bool = True) -> str:
    """SHA-256, shortened to 16 digits, over the `reached_files` of the modules."""
    return files_hash(reached_files(*modules, without=without, statements=statements))


def reached_files(*modules: str, without: Collection[str] = (), statements: bool = True) -> list[Path]:
    """The files of these modules (`models.training.train`) and of all that they import of this project.

    A package stands for every module in it, and a file brings the SQL
    statements of its room that it names, unless `statements` are left out. Modules whose
    name, or whose package's name, is in `without` are passed over, with what they alone import.
    """
    waiting, found = [path for module in modules for path in _files_of(module)], set[Path]()
    while waiting:
        path = waiting.pop()
        if path in found or _left_out(path, without):
            continue
        found |= {path, *(_statements(path) if statements else ())}
        waiting.extend(_imports(path))
    return sorted(found)


def endpoint_files() -> list[Path]:
    """What the endpoint runs on: its code and its page, and what it imports of `models`, free of torch."""
    modules = reached_files("serving")
    pages = (path for path in (ROOT / "serving" / "demo").rglob("*") if path.is_file())
    packages = {folder / "__init__.py" for path in modules for folder in path.parents}
    return sorted({*modules, *pages, *(init for init in packages if init.is_file())})


def files_hash(paths: Collection[Path]) -> str:
    """SHA-256, shortened to 16 digits, over files of this project, their names included."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(f"{path.relative_to(ROOT).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]


def _files_of(module: str) -> list[Path]:
    path = ROOT.joinpath(*module.split("."))
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def _left_out(path: Path, without: Collection[str]) -> bool:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return any(name == module or name.startswith(f"{module}.") for module in without)


@cache
def _statements(path: Path) -> tuple[Path, ...]:
    """The SQL files of a file's room whose names stand in it as text."""
    if not path.is_relative_to(ASSETS):
        return ()
    texts = {node.value for node in _read(path) if isinstance(node, ast.Constant)}
    room = ASSETS / path.relative_to(ASSETS).parts[0]
    return tuple(found for found in sorted(room.rglob("*.sql")) if found.stem in texts)


@cache
def _read(path: Path) -> tuple[ast.Constant | ast.Import | ast.ImportFrom, ...]:
    """The constants and the imports of a file, in one walk: `ast.walk` takes five times as long."""
    found: list[ast.Constant | ast.Import | ast.ImportFrom] = []
    waiting: list[ast.AST] = [ast.parse(path.read_bytes())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Constant | ast.Import | ast.ImportFrom):
            found.append(node)
            continue
        for part in vars(node).values():
            if isinstance(part, ast.AST):
                waiting.append(part)
            elif isinstance(part, list):
                waiting += [one for one in part if isinstance(one, ast.AST)]
    return tuple(found)


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    """The files of this project that a file imports, those in its functions too."""
    return tuple(found for name in _imported_names(path) if (found := _file_of(name)) is not None)


def _imported_names(path: Path) -> Iterator[str]:
    for node in _read(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file_of(name: str) -> Path | None:
    """The file of `models.data`, of `models.data.Split` (a name in it), or of the package `models.losses`."""
    if name.split(".", maxsplit=1)[0] not in PACKAGES:
        return None
    path = ROOT.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py", path.parent.with_suffix(".py"),
                      path.parent / "__init__.py"):  # fmt: skip
        if candidate.is_file() and candidate.parent != ROOT:
            return candidate
    return None
