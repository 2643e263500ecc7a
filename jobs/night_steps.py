"""The steps of a night: which job, what it reads and writes, what else it hangs on.

    python -m jobs.nightly --dry-run        # shows them

Next: jobs/nightly.py, which walks them
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from jobs import (
    assign_coupons,
    build_customer_features,
    export_segments,
    load_online_store,
    monitor_night,
    publish_snapshot,
    score_customers,
)
from uplift.audience.export import export_id_of
from uplift.audience.history import snapshot_before
from uplift.audience.shelf import read_export
from uplift.batch.progress import Tasks
from uplift.batch.steps import Receipts, Step, basis_of, why_run
from uplift.config import Config, FlatLog, RawInputs, SparkSettings
from uplift.errors import ContractError, UpliftError
from uplift.spark.session import make_session
from uplift.workspace import Workspace, read_document

# What no step of a night reads, or what cannot change its answer. Everything else counts for every
# step: to run once too often costs minutes, to skip once too often costs a wrong night.
_IRRELEVANT = {
    "workspace",
    "spark",
    "serving",
    "tracking",
    "simulation",
    "experiment",
    "training",
    "evaluation",
}
_OF_ONE_STEP = {"monitoring", "publishing", "online", "export"}


class LazySession:
    """A Spark session that starts when the first step asks, so that a night of skips needs none."""

    def __init__(self, settings: SparkSettings) -> None:
        self._settings = settings
        self._session: SparkSession | None = None
        self._is_ours = False

    def __call__(self) -> SparkSession:
        """The session; an active one is used and left alone."""
        if self._session is None:
            self._is_ours = SparkSession.getActiveSession() is None
            self._session = make_session(self._settings, app_name="nightly")
        return self._session

    def tasks(self) -> Tasks | None:
        """Finished and all tasks of the stages at work; None before the session is up."""
        if self._session is None:
            return None
        tracker = self._session.sparkContext.statusTracker()
        stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        known = [stage for stage in stages if stage is not None]
        return (
            sum(stage.numCompletedTasks for stage in known),
            sum(stage.numTasks for stage in known),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None and self._is_ours:
            self._session.stop()


def night_steps(
    session: LazySession, config: Config, receipts: Receipts, *, code: str
) -> tuple[Step, ...]:
    """Every step, in order."""
    workspace = Workspace(config.workspace)
    features, scores, decisions, training_set = (
        workspace.table(name)
        for name in ("customer_features", "customer_scores", "decisions", "training_set")
    )
    policy, snapshot = workspace.report("policy"), workspace.report("snapshot")
    monitor = Step(
        "monitor_night",
        lambda: monitor_night.run(session(), config),
        settings=lambda: {**settings(config, "monitoring"), "before": _run_before(config)},
        reads=(features, scores, decisions, training_set, workspace.model),
        writes=(workspace.report("monitoring"), workspace.metrics("monitoring")),
        rows_in=_rows_of(scores),
    )

    def publish() -> None:
        if why_run(monitor, basis_of(monitor, code=code), receipts.read(monitor.name)) is not None:
            raise ContractError(
                "tonight's tables have not passed jobs.monitor_night, so nothing was published. "
                "Run the night with `--from monitor_night`."
            )
        publish_snapshot.place_run(session(), config)

    return (
        Step(
            "build_customer_features",
            lambda: build_customer_features.run(session(), config),
            settings=lambda: settings(config),
            watches=_inputs(config),
            writes=(features,),
            rows_out=_rows_of(features),
        ),
        Step(
            "score_customers",
            lambda: score_customers.run(session(), config),
            settings=lambda: settings(config),
            reads=(features, workspace.model),
            writes=(scores,),
            rows_in=_rows_of(features),
            rows_out=_rows_of(scores),
        ),
        Step(
            "assign_coupons",
            lambda: assign_coupons.run(session(), config),
            settings=lambda: settings(config),
            reads=(scores,),
            writes=(decisions, policy, workspace.report("allocation")),
            rows_in=_rows_of(scores),
            rows_out=_rows_of(decisions),
        ),
        monitor,
        Step(
            "publish_snapshot",
            publish,
            settings=lambda: settings(config),
            reads=(features, scores, decisions, policy, workspace.model),
            writes=(snapshot,),
            rows_in=_rows_of(decisions),
            rows_out=lambda: load_online_store.placed_run(workspace).facts.rows["scores"],
            holds=lambda: _is_whole(workspace),
        ),
        Step(
            "load_online_store",
            lambda: load_online_store.run(session(), config),
            settings=lambda: settings(config, "publishing", "online"),
            reads=(snapshot, features),
            rows_in=_rows_of(features),
            rows_out=lambda: load_online_store.placed_run(workspace).facts.rows["customers"],
            holds=lambda: load_online_store.holds(config),
        ),
        Step(
            "export_segments",
            lambda: export_segments.run(config),
            settings=lambda: settings(config, "export"),
            reads=(workspace.published / "CURRENT",),
            holds=lambda: _is_exported(config),
        ),
    )


def settings(config: Config, *own: str) -> Mapping[str, object]:
    """The part of the configuration that a step reads: what all read, and sections of its own."""
    left_out = _IRRELEVANT | (_OF_ONE_STEP - set(own))
    document: dict[str, object] = json.loads(config.model_dump_json(exclude=left_out))
    return document


def _inputs(config: Config) -> tuple[str, ...]:
    """Where the inputs of a night stand."""
    match config.inputs.log:
        case RawInputs(format="table"):
            return ("catalog://",)  # nobody can look into a catalog from here
        case RawInputs() as raw:
            return (raw.events, raw.customers)
        case FlatLog() as flat_log:
            return (flat_log.path or "",)


def _run_before(config: Config) -> str | None:
    """The run that tonight is held against, as jobs.monitor_night will find it."""
    workspace = Workspace(config.workspace)
    path = workspace.report("policy")
    if not path.is_file():
        return None
    as_of = datetime.fromisoformat(str(read_document(path, made_by="assign_coupons.py")["as_of"]))
    before = snapshot_before(workspace.published, as_of)
    return None if before is None else before.run_id


def _is_whole(workspace: Workspace) -> bool:
    try:
        load_online_store.placed_run(workspace).verify()
    except UpliftError:
        return False
    return True


def _is_exported(config: Config) -> bool:
    """Whether every audience that is ordered stands, cut from the run that readers use.

    An export's id hangs on the order, the run, who is left alone, and the customers' attributes.
    """
    try:
        source = export_segments.campaign_source(config)
        for order in config.export.orders:
            read_export(Workspace(config.workspace).exports, export_id_of(source, order))
    except UpliftError:
        return False
    return True


def _rows_of(table: Path) -> Callable[[], int | None]:
    """Counts a table by its files' footers; None where there is no table."""

    def count() -> int | None:
        if not table.is_dir():
            return None
        files = table.resolve().glob("*.parquet")
        return sum(int(pq.read_metadata(file).num_rows) for file in files)

    return count
