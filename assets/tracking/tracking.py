"""MLflow: one run for each candidate, its bundle as artifact, registered versions, the alias `champion`."""

import logging
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.state.files import sqlite_address
from assets.tracking.mlflow_store import TrackingError, check, point_to, prepare
from assets.tracking.patience import Patient
from models.cores import usable_cores
from models.release import RELEASE

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["Registered", "RunHandle", "Tracking", "TrackingError"]

log = logging.getLogger(__name__)

NAME = "nextplay"  # of experiment and registered model, unless others are given
CHAMPION = "champion"
MODEL_FOLDER = "model"  # of a run's artifacts
FINGERPRINT_TAG = "nextplay.fingerprint"
HASH_TAG = "nextplay.bundle_hash"
HOME_TAG = "nextplay.home"
SEARCH_TAG = "nextplay.search"
VERDICT_TAG = "nextplay.verdict"
TAG_LENGTH = 5_000  # of MLflow's registry
ENVIRONMENT_TAG = "environment."
OF_TRAINING = {"mlflow.experimentKind": "custom_model_development"}  # else MLflow's UI opens on traces


@dataclass(frozen=True)
class RunHandle:
    """One MLflow run, open for logging."""

    client: "MlflowClient"
    run_id: str

    def params(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            self.client.log_param(self.run_id, name, value)

    def metrics(self, values: dict[str, float], step: int = 0) -> None:
        for name, value in values.items():
            # MLflow allows no "@" in a metric's name.
            self.client.log_metric(self.run_id, name.replace("@", "_at_"), value, step=step)

    def tags(self, values: dict[str, str]) -> None:
        for name, value in values.items():
            self.client.set_tag(self.run_id, name, value)

    def artifact(self, path: Path, folder: str | None = None) -> None:
        self.client.log_artifact(self.run_id, str(path), folder)

    def model(self, folder: Path) -> None:
        """Log a folder that holds an MLflow model, which `register` makes a version of."""
        self.client.log_artifacts(self.run_id, str(folder), MODEL_FOLDER)


@dataclass(frozen=True)
class Registered:
    """A registered version and the bundle that it holds."""

    version: str
    bundle_hash: str
    run_id: str
    description: str


class Tracking:
    """An MLflow store: below `root`, an SQLite database and a folder of artifacts, unless others are given.

    `uri` is a database or an MLflow server, `artifacts` an address; a server keeps artifacts where it likes.
    What is registered carries the id of the `home`: where others register too, theirs is neither seen nor
    removed. What carries none is of before that was done, and in a shared store nobody removes it.
    """

    def __init__(
        self,
        root: Path,
        uri: str | None = None,
        artifacts: str | None = None,
        *,
        home: str = "",
        experiment: str = NAME,
        model: str = NAME,
    ) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        from mlflow import MlflowClient  # two seconds: not at the import of every asset

        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        served = uri is not None and uri.startswith(("http://", "https://"))
        self._artifacts = artifacts or (None if served else (root / "artifacts").as_uri())
        self._database = root / "mlflow.db"
        self._uri = uri or sqlite_address(self._database)
        check(self._database)
        if uri is None:
            prepare(self._database)
        self._client: Any = Patient(MlflowClient(tracking_uri=self._uri))
        self._home, self._shared = home, bool(home) and uri is not None
        self._model = model
        self._experiment = self._experiment_id(experiment)

    @property
    def runs_page(self) -> str:
        """Where MLflow's UI shows the runs, behind its address: its front page is about other things."""
        return f"/#/experiments/{self._experiment}/runs"

    @contextmanager
    def run(self, name: str, fingerprint: str, search: str | None = None) -> Iterator[RunHandle]:
        """The run of a fingerprint: opened again after a kill, so that one candidate has one run.

        A run of a `search` for settings, named by it from its start, is none of `runs`.
        """
        wanted = f"tags.`{FINGERPRINT_TAG}` = '{fingerprint}'{self._of_this_home()}"
        found = self._client.search_runs([self._experiment], wanted, max_results=1)
        if found:
            run_id = found[0].info.run_id
        else:
            made_with = {f"{ENVIRONMENT_TAG}{name}": value for name, value in environment().items()}
            tags = {FINGERPRINT_TAG: fingerprint, HOME_TAG: self._home} | made_with
            tags |= {SEARCH_TAG: search} if search else {}
            run_id = self._client.create_run(self._experiment, run_name=name, tags=tags).info.run_id
        self._client.update_run(run_id, status="RUNNING")
        try:
            yield RunHandle(self._client, run_id)
        except BaseException:
            self._client.set_terminated(run_id, "FAILED")
            raise
        self._client.set_terminated(run_id, "FINISHED")

    def register(self, run_id: str, bundle_hash: str, description: str) -> str:
        """The registered version of a run's bundle, made unless it exists; returns its number."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(self._model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = self.version_of(bundle_hash)
        if version is None:
            source = f"{self._client.get_run(run_id).info.artifact_uri}/{MODEL_FOLDER}"
            tags = {HASH_TAG: bundle_hash, HOME_TAG: self._home}
            version = self._client.create_model_version(
                self._model, source, run_id, tags=tags, description=description
            ).version
        return str(version)

    def version_of(self, bundle_hash: str) -> str | None:
        """The registered version of this home that holds a bundle, if any."""
        return next((v.version for v in self.versions() if v.bundle_hash == bundle_hash), None)

    def versions(self) -> list[Registered]:
        """Every registered version of this home, oldest first."""
        found = self._client.search_model_versions(f"name = '{self._model}'")
        return sorted(
            (
                Registered(str(v.version), v.tags.get(HASH_TAG, ""), str(v.run_id), v.description or "")
                for v in found
                if self._may_be_ours(v.tags)
            ),
            key=lambda version: int(version.version),
        )

    def _may_be_ours(self, tags: Mapping[str, str]) -> bool:
        return not self._shared or tags.get(HOME_TAG, self._home) == self._home

    def _of_this_home(self) -> str:
        """What a search for runs is narrowed by."""
        return f" AND tags.`{HOME_TAG}` = '{self._home}'" if self._shared else ""

    def judged(self, version: str, metrics: dict[str, float], verdict: str) -> None:
        """Metrics of the test to the run of a version, as far as they are new, and the verdict as its tag."""
        found = self._run(self.run_of(version))
        if found is None:
            log.warning(
                "The run of version %s was deleted in MLflow: its test metrics are not kept.", version
            )
        else:
            new = {name: value for name, value in metrics.items() if found.data.metrics.get(name) != value}
            RunHandle(self._client, found.info.run_id).metrics(new)
        self._client.set_model_version_tag(self._model, version, VERDICT_TAG, verdict[:TAG_LENGTH])

    def _run(self, run_id: str) -> "Run | None":
        """A run that can be logged to; None where somebody has deleted it."""
        from mlflow.exceptions import MlflowException

        try:
            found: Run = self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        return found if found.info.lifecycle_stage == "active" else None

    def run_of(self, version: str) -> str:
        """The run that made a registered version."""
        return str(self._client.get_model_version(self._model, version).run_id)

    def environment_of(self, registered: Registered) -> dict[str, str]:
        """What `environment` gave when a registered version was made."""
        tags = self._client.get_run(registered.run_id).data.tags
        return {
            name.removeprefix(ENVIRONMENT_TAG): value
            for name, value in tags.items()
            if name.startswith(ENVIRONMENT_TAG)
        }

    def fetch(self, registered: Registered, artifact: str, folder: Path) -> Path | None:
        """A copy below `folder` of a file that the run of a version logged; None where it is not there."""
        from mlflow.exceptions import MlflowException

        try:
            return Path(self._client.download_artifacts(registered.run_id, artifact, str(folder)))
        except (MlflowException, OSError):
            return None

    def runs(self) -> list[str]:
        """The id of every run of this home that trained a candidate or fitted a baseline, oldest first."""
        return [run.info.run_id for run in self._runs(deleted=False)]

    def discard(self, versions: Sequence[str], runs: Sequence[str]) -> None:
        """Delete registered versions, and runs with their artifacts; those half deleted before go, too.

        Of a shared store what another home has registered stays, and what may be another's.
        """
        for number in versions:
            tags = self._client.get_model_version(self._model, number).tags
            if not self._shared or tags.get(HOME_TAG) == self._home:
                self._client.delete_model_version(self._model, number)
        for run in runs:
            self._client.delete_run(run)
        if deleted := [run.info.run_id for run in self._runs(deleted=True)]:
            self._collect(deleted)

    def _runs(self, deleted: bool) -> list["Run"]:
        from mlflow.entities import ViewType

        view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
        mine = f"tags.`{FINGERPRINT_TAG}` LIKE '%'{self._of_this_home()}"
        found, token = list["Run"](), None
        while True:
            page = self._client.search_runs(
                [self._experiment],
                mine,
                run_view_type=view,
                order_by=["attributes.start_time"],
                page_token=token,
            )
            found += [run for run in page if SEARCH_TAG not in run.data.tags]
            token = page.token
            if not token:
                return found

    def _collect(self, runs: Sequence[str]) -> None:
        """MLflow's own garbage collection, which it offers as a command alone; here its function is called.

        As a process it would take seconds to start, and show the password of a database to all.
        """
        from mlflow import set_tracking_uri
        from mlflow.cli import gc

        asked = ["--backend-store-uri", self._uri, "--tracking-uri", self._uri, "--run-ids", ",".join(runs)]
        before = os.environ.get("MLFLOW_TRACKING_URI")
        try:
            with redirect_stdout(StringIO()):
                gc.main(asked, standalone_mode=False)
        except Exception as error:  # of a database, an object store, MLflow: the next night tries again
            log.warning("MLflow could not remove deleted runs: %s", str(error)[-500:])
        finally:
            set_tracking_uri(before or "")

    def attach(self, run_id: str, path: Path, folder: str) -> None:
        """Put a file beside what a run has logged already; the run stays as finished as it was."""
        if self._run(run_id) is None:
            log.warning("A run was deleted in MLflow: %s is not put beside it.", path.name)
            return
        self._client.log_artifact(run_id, str(path), folder)

    def set_champion(self, version: str) -> None:
        """Set the alias `champion`; where that is another home's, `champion-` and this home's id."""
        found = self._with_alias(CHAMPION)
        mine = found is None or self._may_be_ours(found.tags)
        self._client.set_registered_model_alias(self._model, CHAMPION if mine else self._own_alias, version)

    def champion(self) -> str | None:
        """The version of this home that carries the champion's alias, if any."""
        for alias in (CHAMPION, *([self._own_alias] if self._shared else [])):
            found = self._with_alias(alias)
            if found is not None and (alias == self._own_alias or self._may_be_ours(found.tags)):
                return str(found.version)
        return None

    @property
    def _own_alias(self) -> str:
        return f"{CHAMPION}-{self._home}"

    def _with_alias(self, alias: str) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_model_version_by_alias(self._model, alias)
        except MlflowException:
            return None

    def _experiment_id(self, name: str) -> str:
        experiment = self._client.get_experiment_by_name(name)
        if experiment is not None:
            if experiment.lifecycle_stage != "active":
                raise TrackingError(
                    f"MLflow's experiment {name} was deleted there: restore it (mlflow experiments restore "
                    f"--experiment-id {experiment.experiment_id}), or name another with "
                    "NEXTPLAY_MLFLOW_EXPERIMENT."
                )
            if self._has_moved(experiment.artifact_location):
                point_to(self._database, experiment.artifact_location, str(self._artifacts))
            return str(experiment.experiment_id)
        from mlflow.exceptions import MlflowException

        try:
            return str(self._client.create_experiment(name, self._artifacts, tags=OF_TRAINING))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return self._experiment_id(name)  # another machine was faster

    def _has_moved(self, location: str) -> bool:
        """Whether the database lies in the home, and its artifacts' address is that of another one."""
        own = self._uri == sqlite_address(self._database) and location.startswith("file:")
        return own and self._artifacts is not None and location != self._artifacts


def environment() -> dict[str, str]:
    """What a run depends on beside its inputs: versions, machine, and the commit where there is one."""
    packages = ("torch", "numpy", "scipy", "duckdb", "onnx", "onnxruntime", "dagster")
    found = {name: version(name) for name in packages} | {"nextplay": RELEASE}
    found |= {"python": platform.python_version(), "machine": f"{platform.machine()}, {usable_cores()} cores"}
    return found | ({"commit": commit} if (commit := _commit()) else {})


def _commit() -> str | None:
    """Of the folder that the code is in; None where that is no git repository."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # there is no git
        return None
    return done.stdout.strip() if done.returncode == 0 else None
