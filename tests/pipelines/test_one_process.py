"""A run notes what it is made from, however it was started, and whether a retry could help."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from filelock import FileLock

from assets.formats.gunzip import DamagedFileError
from assets.release.bento import BentoError
from assets.release.run_records import WHOLE_TAG
from assets.state.lake import LakeError
from pipelines.inputs import TAG, read_inputs
from pipelines.instance import _is_free
from pipelines.nights import decide
from pipelines.one_process import one_process
from pipelines.records import ASSET_JOB, EVERYTHING, newest_whole
from pipelines.resources import Settings
from serving.state.pointer import Pointer
from tests.support.nights import CLEAN, PROMOTION, night

ALL = {CLEAN, PROMOTION}
SUCCESS = [dg.DagsterRunStatus.SUCCESS]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    table, champion = tmp_path / "plays.csv", tmp_path / "home" / "champion"
    table.write_text("user_id,item_id,timestamp\nu,i,1\n")
    champion.mkdir(parents=True)
    (champion / "pointer.json").write_text(Pointer("x", "3", "0" * 64, time.time()).to_json())
    return Settings(home=tmp_path / "home", source="table", table=str(table))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    retries = {"run_retries": {"enabled": True, "max_retries": 2}}
    with dg.DagsterInstance.ephemeral(settings=retries) as made:
        yield made


def decided(instance: dg.DagsterInstance, settings: Settings) -> str:
    return decide(settings, read_inputs(settings), instance, time.time()).why


@pytest.mark.parametrize(("job", "selection"), [(ASSET_JOB, ALL), (ASSET_JOB, None), (EVERYTHING, None)])
def test_the_night_skips_after_a_run_of_everything_from_the_ui(instance, settings, job, selection) -> None:
    run = night(instance, settings, job=job, selection=selection)
    assert decided(instance, settings).startswith(
        "Nothing to do: source, events, code and settings are those"
    )
    assert newest_whole(instance, SUCCESS).dagster_run.run_id == run.run_id
    Path(settings.table).write_text("user_id,item_id,timestamp\nu,i,2\nu,j,3\n")
    assert decided(instance, settings) == f"Since run {run.run_id[:8]} there are other source."


def test_a_run_of_some_assets_is_none_that_a_night_may_rest_on(instance, settings) -> None:
    part = night(instance, settings, job=ASSET_JOB, selection={CLEAN})
    assert not [tag for tag in part.tags if tag.startswith("nextplay/")]
    assert decided(instance, settings) == "No run has succeeded yet."


def test_a_failed_run_of_everything_from_the_ui_does_not_count(instance, settings) -> None:
    night(instance, settings, job=ASSET_JOB, selection=ALL, error=KeyError("x"))
    assert decided(instance, settings) == "No run has succeeded yet."


def test_what_the_schedule_noted_stays(instance, settings) -> None:
    """It takes events up to its tick, and a retry those of the run before it."""
    tags = {f"nextplay/inputs-{name}": "as at 02:30" for name in ("source", "events", "code", "settings")}
    run = night(instance, settings, tags=tags)
    assert {run.tags[name] for name in tags} == {"as at 02:30"}


def test_a_run_looks_at_its_inputs_while_it_holds_the_homes_lock(
    instance, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host may take long to tell of a file, and who waits with the lock free counts as killed."""
    free = []

    class Locking(dg.ConfigurableResource):  # type: ignore[type-arg]
        @contextmanager
        def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Locking"]:
            with FileLock(settings.home / "run.lock"):
                yield self

    @dg.asset
    def rows(home: Locking) -> None:
        raise KeyError("the end")

    def looked(asked: Settings) -> dict[str, str]:
        free.append(_is_free(asked.home))
        return {"source": "as it is"}

    monkeypatch.setattr("pipelines.one_process.read_inputs", looked)
    run = run_of(instance, settings, rows, resources={"home": Locking()})
    assert free == [False] and run.tags[TAG + "source"] == "as it is" and WHOLE_TAG in run.tags


def test_a_search_for_settings_is_given_its_time(settings) -> None:
    monitored = {"run_monitoring": {"enabled": True, "max_runtime_seconds": 21_600}}
    searching = settings.model_copy(update={"search_minutes": 600.0})
    with dg.DagsterInstance.ephemeral(settings=monitored) as instance:
        assert "dagster/max_runtime" not in night(instance, settings).tags
        assert night(instance, searching).tags["dagster/max_runtime"] == "57600"
        by_hand = night(instance, searching, tags={"dagster/max_runtime": "60"})
    assert by_hand.tags["dagster/max_runtime"] == "60"


def test_inputs_that_cannot_be_told_do_not_stop_the_run(instance, settings) -> None:
    store = settings.home / "events" / "events.db"
    store.parent.mkdir()
    store.write_bytes(b"no database at all, but long enough to be read as one" * 40)
    run = night(instance, settings, job=ASSET_JOB, selection=ALL)
    assert run.is_success
    store.unlink()
    assert decided(instance, settings).startswith(
        f"Since run {run.run_id[:8]} there are other source, events"
    )


MISTAKES = [
    LakeError("The table is gone: make run."),
    DamagedFileError("The file is cut off."),
    dg.Failure("More than 1 % of the lines cannot be read.", allow_retries=False),
    dg.Failure("More than 1 % of the lines cannot be read."),
]


@pytest.mark.parametrize("error", MISTAKES, ids=lambda error: type(error).__name__)
def test_a_users_mistake_is_not_tried_again(instance, settings, error: Exception) -> None:
    for job, selection in ((EVERYTHING, None), (ASSET_JOB, ALL)):
        run = night(instance, settings, job=job, selection=selection, error=error)
        assert run.status is dg.DagsterRunStatus.FAILURE and run.tags["dagster/will_retry"] == "false"


@pytest.mark.parametrize("error", [KeyError("a bug"), OSError("the network"), BentoError("not ready.")])
def test_what_may_pass_is_tried_again(instance, settings, error: Exception) -> None:
    assert night(instance, settings, error=error).tags["dagster/will_retry"] == "true"


def run_of(
    instance: dg.DagsterInstance, settings: Settings, *made: object, **checks: object
) -> dg.DagsterRun:
    """A run of assets and checks by the real executor, to its end."""
    from dagster._core.definitions.job_base import InMemoryJob
    from dagster._core.execution.api import execute_run

    executor = one_process(settings, {dg.AssetKey("rows")})
    found = dg.Definitions(list(made), executor=executor, **checks)  # type: ignore[arg-type]
    job = found.resolve_implicit_global_asset_job_def()
    run = instance.create_run_for_job(job, asset_selection=frozenset({dg.AssetKey("rows")}))
    execute_run(InMemoryJob(job), run, instance, raise_on_error=False)
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None and ended.status is dg.DagsterRunStatus.FAILURE
    return ended


def test_data_that_break_a_contract_are_not_tried_again(instance, settings) -> None:
    @dg.asset
    def rows() -> None:
        pass

    @dg.asset_check(asset=rows, blocking=True)
    def are_there() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description="2 rows are missing.")

    run = run_of(instance, settings, rows, asset_checks=[are_there])
    assert run.tags["dagster/will_retry"] == "false"


def test_a_step_that_tried_again_itself_may_pass_with_the_next_run(instance, settings) -> None:
    """A download from a host that is away, say: its step fails only after tries of its own."""

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def rows() -> None:
        raise dg.Failure("The host did not answer.")

    assert run_of(instance, settings, rows).tags["dagster/will_retry"] == "true"


def test_the_jobs_are_run_by_it() -> None:
    from pipelines.factory import define

    definitions = define(Settings())
    executors = {job.name: job.executor_def for job in definitions.resolve_all_job_defs()}
    noting = executors[ASSET_JOB]
    assert executors[EVERYTHING] is executors["watch"] is noting is not dg.in_process_executor
    everything = {node.name for node in definitions.resolve_job_def(EVERYTHING).nodes}
    assert {"raw_files", "gate", "promotion"} <= everything
