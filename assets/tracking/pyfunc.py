"""Writes a bundle as an MLflow model, so that `mlflow.pyfunc.load_model` opens it without this project.

Beside the bundle lies the code that opens it, and what it needs: no torch, and nothing that is pickled.
"""

import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

from models.bundle.bundle import ONNX_FILE, read_golden, read_items, read_manifest
from models.bundle.code import ROOT, reached_files
from models.pyfunc import HISTORY, ITEMS, SCORES, K

LOADER = "models.pyfunc"
BUNDLE = "bundle"  # its folder's name below `data` of the model
BUNDLE_PLACES = (f"model/data/{BUNDLE}", "bundle")  # among a version's artifacts; the last of older ones
NEEDS = ("numpy", "safetensors", "pandas")


def write_model(folder: Path, bundle: Path) -> None:
    """The MLflow model of a bundle, in a new folder."""
    import pandas as pd
    from mlflow import pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array

    excluded = read_manifest(bundle).exclude_seen
    signature = ModelSignature(
        Schema([ColSpec(Array(DataType.string), HISTORY)]),
        Schema([ColSpec(Array(DataType.string), ITEMS), ColSpec(Array(DataType.double), SCORES)]),
        ParamSchema(
            [ParamSpec("k", DataType.long, K), ParamSpec("exclude_seen", DataType.boolean, excluded)]
        ),
    )
    ids, asked = read_items(bundle).ids, read_golden(bundle)[:1]
    example = [[ids[item] for item in golden.history] for golden in asked]
    needs = [*NEEDS, *(["onnxruntime"] if any(bundle.rglob(ONNX_FILE)) else [])]
    with tempfile.TemporaryDirectory() as made:
        _copy_code(Path(made, "code"))
        Path(made, BUNDLE).symlink_to(bundle.resolve())  # MLflow keeps the name
        pyfunc.save_model(
            str(folder),
            loader_module=LOADER,
            data_path=f"{made}/{BUNDLE}",
            code_paths=[f"{made}/code/models"],
            signature=signature,
            input_example=pd.DataFrame({HISTORY: example}),
            pip_requirements=[f"{name}=={version(name)}" for name in needs],
        )


def _copy_code(folder: Path) -> None:
    """What the loader imports, with the `__init__.py` of each package on the way."""
    for file in reached_files(LOADER):
        for path in (file, *(package / "__init__.py" for package in file.parents)):
            if path.is_relative_to(ROOT) and path.is_file():
                target = folder / path.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
