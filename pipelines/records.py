"""Which of Dagster's records are runs of the pipeline, however each was started."""

from collections.abc import Iterator, Sequence

import dagster as dg

from assets.release.run_records import SEARCHED, WHOLE_TAG

EVERYTHING = "everything"
ASSET_JOB = "__ASSET_JOB"  # Dagster's own, of what is materialized from the UI or its command line
WHY_TAG = "nextplay/why"  # of a run that was started by itself
NIGHTLY, EARLY = "nightly", "retrain_early"  # the schedule, the sensor
UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def is_whole(run: dg.DagsterRun) -> bool:
    """Whether a run makes, or made, every asset."""
    return WHOLE_TAG in run.tags or (run.job_name in (EVERYTHING, ASSET_JOB) and not run.asset_selection)


def pipeline_runs(
    instance: dg.DagsterInstance, statuses: Sequence[dg.DagsterRunStatus] = (), limit: int = SEARCHED
) -> list[dg.RunRecord]:
    """The runs of assets, newest first: of all of them, or of some."""

    def found() -> Iterator[dg.RunRecord]:
        for job in (EVERYTHING, ASSET_JOB):
            yield from instance.get_run_records(dg.RunsFilter(job_name=job, statuses=statuses), limit=limit)

    return sorted(found(), key=lambda record: -record.storage_id)[:limit]


def newest_whole(
    instance: dg.DagsterInstance, statuses: Sequence[dg.DagsterRunStatus] = ()
) -> dg.RunRecord | None:
    """The newest run of every asset in one of these states, or any, however many of some came after it."""
    of_a_job = [dg.RunsFilter(job_name=job, statuses=statuses) for job in (EVERYTHING, ASSET_JOB)]
    told = dg.RunsFilter(tags={WHOLE_TAG: "true"}, statuses=statuses)
    found = [record for wanted in (*of_a_job, told) for record in instance.get_run_records(wanted, SEARCHED)]
    whole = (record for record in found if is_whole(record.dagster_run))
    return max(whole, key=lambda record: record.storage_id, default=None)
