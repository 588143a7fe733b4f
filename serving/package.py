"""Builds the Bento of a bundle: `python -m serving.package BUNDLE VERSION BASELINE…` prints its tag as JSON.

A Bento holds the endpoint, what it needs of `models`, the bundle, those of the baselines that people compare
it with, and a pointer to all of these. Nothing is downloaded. BentoML keeps it below BENTOML_HOME;
`BENTOML_HOME=… bentoml serve nextplay:VERSION` serves it.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version as installed
from pathlib import Path

from models.bundle.bundle import bundle_hash, read_manifest
from models.bundle.code import ROOT, endpoint_files
from models.release import RELEASE
from serving.settings import BASELINES_FOLDER, BUNDLE_FOLDER, POINTER_FILE
from serving.state.pointer import Pointer

PACKAGES = (
    "fastapi", "httptools", "numpy", "onnxruntime", "prometheus-client", "pydantic", "pydantic-settings",
    "rapidfuzz", "safetensors", "tenacity", "uvicorn", "uvloop",
)  # fmt: skip


def build_bento(bundle: Path, version: str, bentoml_home: Path, baselines: Sequence[Path] = ()) -> str:
    """Build a Bento, in place of one of the same version, and return its tag.

    `version` becomes the Bento's version: lower-case letters, digits, `.`, `_` and `-`. Packages are pinned
    to the installed versions, those that the Bento is tested with; BentoML adds itself.
    """
    os.environ.update(BENTOML_HOME=str(bentoml_home.resolve()), BENTOML_DO_NOT_TRACK="True")
    import bentoml  # it reads BENTOML_HOME when it is imported

    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        _fill(context, bundle, version, baselines)
        with suppress(bentoml.exceptions.NotFound):
            bentoml.bentos.delete(f"nextplay:{version}")
        bento = bentoml.build(
            "serving.service:Nextplay",
            version=version,
            build_ctx=str(context),
            include=[
                "serving/**",
                "models/**",
                f"{BUNDLE_FOLDER}/**",
                f"{BASELINES_FOLDER}/**",
                POINTER_FILE,
            ],
            labels={"release": RELEASE},
            python={"packages": [f"{name}=={installed(name)}" for name in PACKAGES], "lock_packages": False},
        )
    for path in Path(bento.path).rglob("*"):  # BentoML gives some of its own files a mode of its own
        path.chmod(path.stat().st_mode & ~0o077)
    return str(bento.tag)


def _fill(context: Path, bundle: Path, version: str, baselines: Sequence[Path]) -> None:
    """Lay out a Bento's files: code, bundle, baselines, pointer."""
    for path in endpoint_files():
        copy = context / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    shutil.copytree(bundle, context / BUNDLE_FOLDER)
    beaten = {}
    for baseline in baselines:
        name = read_manifest(baseline).architecture
        beaten[name] = f"{BASELINES_FOLDER}/{name}"
        shutil.copytree(baseline, context / beaten[name])
    pointer = Pointer(BUNDLE_FOLDER, version, bundle_hash(bundle), promoted_at=0.0, baselines=beaten)
    (context / POINTER_FILE).write_text(pointer.to_json(), encoding="utf-8")


if __name__ == "__main__":
    home = Path(os.environ.get("BENTOML_HOME", Path.home() / "bentoml"))
    bundle, version, *baselines = sys.argv[1:]
    tag = build_bento(Path(bundle), version, home, [Path(folder) for folder in baselines])
    sys.stdout.write(json.dumps({"tag": tag}) + "\n")
