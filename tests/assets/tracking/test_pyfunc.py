"""The champion as an MLflow model: it opens without this project, and answers as the endpoint does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from assets.resources import Home
from serving.recommender import Recommender
from serving.state.pointer import read_pointer

HISTORIES, K = 40, 5

# What MLflow, and what its model names as its needs, may import; of this project nothing is there.
ALONE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent!r}:
            raise ModuleNotFoundError(name)

sys.meta_path = [Absent(), *(f for f in sys.meta_path if "__editable__" not in getattr(f, "__module__", ""))]
sys.path = [p for p in sys.path if p not in ("", {root!r})]
try:
    import models
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("this project is there")
import json, mlflow, pandas as pd

mlflow.set_tracking_uri({uri!r})
model = mlflow.pyfunc.load_model("models:/nextplay@champion")
asked = json.load(sys.stdin)
frame = pd.DataFrame({{"history": asked["histories"]}})
answers = model.predict(frame, params={{"k": asked["k"]}})
repeated = model.predict(frame[3:4], params={{"k": asked["k"], "exclude_seen": False}})
wrong = None
try:
    model.predict(pd.DataFrame({{"played": asked["histories"]}}))
except mlflow.exceptions.MlflowException as error:
    wrong = str(error)
inputs = model.metadata.get_input_schema().to_json()
print(json.dumps([answers.to_dict("list"), repeated.to_dict("list"), wrong, inputs]))
"""


@pytest.mark.slow
def test_the_champion_opens_with_its_needs_alone_and_answers_as_the_endpoint(
    home: Home, tmp_path: Path
) -> None:
    pointer = read_pointer(home.pointer_file)
    champion = Recommender(pointer.folder(home.pointer_file))
    ids = champion.items.ids
    histories = [ids[1 + i : 1 + i + i % 7] for i in range(HISTORIES)]  # an empty one too
    histories[3] = [ids[9], "unknown", ids[2]]
    root = str(Path(__file__).parents[3])
    home.tracking()  # a copied home's addresses are made its own
    script = ALONE.format(
        absent=["torch", "dagster", "duckdb", "bentoml", "scipy.sparse", "assets", "serving", "pipelines"],
        root=root,
        uri=f"sqlite:///{home.folder() / 'mlflow' / 'mlflow.db'}",
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps({"histories": histories, "k": K}),
        cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    answers, repeated, wrong, inputs = json.loads(done.stdout.splitlines()[-1])
    for history, items, scores in zip(histories, answers["item_ids"], answers["scores"], strict=True):
        expected = champion.recommend(history, K).items
        assert items == [item.item_id for item in expected]
        assert scores == pytest.approx([item.score for item in expected], rel=1e-5)
    shown = champion.recommend(histories[3], K, exclude_seen=False).items
    assert repeated["item_ids"] == [[item.item_id for item in shown]]
    assert "history" in wrong
    assert json.loads(inputs)[0]["name"] == "history"


def test_no_model_is_pickled(home: Home) -> None:
    """Nothing in a version's folder is anything but text, ONNX or safetensors."""
    found = {path.suffix for path in (home.folder() / "mlflow" / "artifacts").glob("*/artifacts/model/**/*")}
    assert ".safetensors" in found
    assert found <= {"", ".json", ".yaml", ".txt", ".py", ".onnx", ".safetensors"}, found
