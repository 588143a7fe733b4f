"""What each screenshot in docs/ shows: the hash of it tells whether a picture is older than that."""

import ast
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "docs" / "pictures" / "pictures.json"
REPORTING = "assets/evaluation/reporting"
REPORT_FILES = ("page.html", "style.css", "page.py", "tables.py", "apart.py", "examples.py", "checks.py")
REPORT = (
    *(f"{REPORTING}/{name}" for name in REPORT_FILES),
    *(f"assets/shown/{name}" for name in ("chart.css", "charts.py", "axis.py")),
)
NIGHTS = (
    *(f"pipelines/operator/overview/{name}" for name in ("page.html", "style.css", "page.py")),
    f"{REPORTING}/style.css",
    "assets/shown/plots.py",
    *(f"assets/shown/{name}" for name in ("chart.css", "charts.py", "axis.py")),
)
DEMO = tuple(
    f"serving/demo/{name}"
    for name in ("index.html", "style.css", "app.js", "answer.js", "history.js", "filters.js")
)


def asset_graph(*keys: str) -> Any:
    """Key, group, kinds, description and upstream keys of these assets, or of all."""
    from pipelines.definitions import define
    from pipelines.resources import Settings

    shown = {}
    for node in define(Settings(source="sample")).resolve_asset_graph().asset_nodes:
        name = node.key.to_user_string()
        if not keys or name in keys:
            above = sorted(key.to_user_string() for key in node.parent_keys)
            shown[name] = [node.group_name, sorted(node.kinds), node.description if keys else "", above]
    return shown


def answer_format() -> Any:
    from serving.schemas import RecommendResponse

    return RecommendResponse.model_json_schema()


def metadata_names(path: Path) -> list[str]:
    """What an asset's file writes beside its metadata."""
    given = [node.value for node in ast.walk(ast.parse(path.read_bytes())) if _is_metadata(node)]
    return sorted(key.value for names in given for key in names.keys if isinstance(key, ast.Constant))


def _is_metadata(node: ast.AST) -> bool:
    return isinstance(node, ast.keyword) and node.arg == "metadata" and isinstance(node.value, ast.Dict)


def _files(names: Sequence[str]) -> str:
    return _json({name: _seen(ROOT / name) for name in names})


def _seen(path: Path) -> str:
    """The text of a file; of Python without comments and docstrings, which no picture shows."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and ast.get_docstring(node) is not None
        ):
            words = node.body[0]
            lines[words.lineno - 1 : words.end_lineno] = [""] * (words.end_lineno - words.lineno + 1)
    return "\n".join(line for line in lines if line.strip() and not line.strip().startswith("#"))


def _json(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


SHOWN: Mapping[str, Callable[[], str]] = {
    "graph.png": lambda: _json(asset_graph()),
    "gate.png": lambda: _json([asset_graph("gate"), metadata_names(ROOT / "assets/evaluation/gate.py")]),
    "report-verdict.png": lambda: _files(REPORT),
    "report-evidence.png": lambda: _files(REPORT),
    "report-steam.png": lambda: _files(REPORT),
    "nights.png": lambda: _files(NIGHTS),
    "demo-light.png": lambda: _files(DEMO),
    "demo-dark.png": lambda: _files(DEMO),
    "demo-phone.png": lambda: _files(DEMO),
    "answer.png": lambda: _json(answer_format()),
}


def sources(name: str) -> str:
    """The hash of what a picture shows, as it is today."""
    return SHOWN[name]()
