"""Tonight: features, scores, coupons, a check of the night, the published run, exports due.

Runs the jobs from build_customer_features to export_segments in one Spark session. A step is
skipped if its inputs, its part of the configuration and the code are as they were when it last ran,
and its outputs as it left them; so a night that was interrupted goes on where it stopped, and the
same night again does nothing. Nothing is published if a check of the night fails. Readers see the
old run or the new one.

    python -m jobs.nightly --config conf/base.yaml --config conf/campaigns/coupon.yaml
    python -m jobs.nightly --run-date 2026-06-01    # as of the start of that day
    python -m jobs.nightly --dry-run                # what would run, and why
    python -m jobs.nightly --from monitor_night     # leave out what comes before
    spark-submit jobs/nightly.py --config ...

Writes reports/night.json and reports/night.html, kept per day as reports/nights/<day>, and
metrics/night.prom. Only one night runs in a workspace at a time; a second one refuses.

Next: look at reports/night.html
"""

import argparse
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from jobs.night_steps import LazySession, night_steps
from uplift.audience.history import snapshot_before
from uplift.audience.snapshot import current
from uplift.batch.lock import only_one
from uplift.batch.page import render_night
from uplift.batch.progress import Past, line, seconds_left, shown
from uplift.batch.report import Night, SegmentRow, segment_rows
from uplift.batch.steps import Receipts, Step, selected
from uplift.batch.walk import Done, forecast, walk
from uplift.config import Config
from uplift.errors import UpliftError
from uplift.logs import event
from uplift.monitoring.prometheus import Gauge, exposition
from uplift.spark.door import run_with_options
from uplift.tracking.code import PACKAGE, code_version
from uplift.workspace import Workspace, read_document, write_document, write_text

log = logging.getLogger(__name__)

_LOCK = ".nightly.lock"


def run(config: Config, options: argparse.Namespace) -> None:
    """Plan the night; walk it, unless it is only asked for."""
    if options.run_date is not None:
        config = config.model_copy(update={"run_date": options.run_date})
    workspace, code = Workspace(config.workspace), sources()
    receipts = Receipts(workspace.root / "receipts")
    with LazySession(config.spark) as session:
        steps = night_steps(session, config, receipts, code=code)
        names = [step.name for step in steps]
        chosen = selected(names, first=options.first, only=options.only)
        if options.dry_run:
            sys.stdout.write(plan(forecast(steps, receipts, code=code, chosen=chosen)))
            return
        about = {"campaign": config.campaign.id, "run date": str(config.run_date or "open")}
        with only_one(workspace.root / _LOCK, about):
            progress = Progress(steps, receipts, chosen, session)
            done = []
            for step in walk(steps, receipts, code=code, chosen=chosen, watch=progress.watch):
                done.append(step)
                tell(step)
            report(config, done)
    error = next((step.error for step in done if step.error is not None), None)
    if error is not None:
        raise error


def sources() -> str:
    """Digest of all code that a night may run."""
    return f"{code_version(PACKAGE).sources}-{code_version(Path(__file__).parent).sources}"


def plan(steps: Iterator[Done]) -> str:
    """What would happen, a line per step."""
    words = {"ran": "run", "skipped": "skip", "left_out": "left out"}
    return "".join(
        f"{words[step.status]:<9} {step.name:<24} {step.reason}".rstrip() + "\n" for step in steps
    )


class Progress:
    """Says on a terminal how far the night is, and in the log when a step starts."""

    def __init__(
        self, steps: Sequence[Step], receipts: Receipts, chosen: Sequence[str], session: LazySession
    ) -> None:
        self._names = [step.name for step in steps if step.name in chosen]
        self._session = session
        self._pasts = {}
        for name in self._names:
            receipt = receipts.read(name)
            if receipt is not None:
                self._pasts[name] = Past(receipt.seconds, receipt.rows_in)

    @contextmanager
    def watch(self, step: Step, reason: str) -> Iterator[None]:
        """Around a step that runs."""
        at = self._names.index(step.name)
        place = f"{at + 1}/{len(self._names)}"
        pasts = [self._pasts.get(name) for name in self._names[at:]]
        rows = step.rows_in()
        left = seconds_left(pasts, rows=rows, spent=0.0)
        event(
            log,
            "step.started",
            step=place,
            job=step.name,
            reason=reason,
            rows=rows,
            seconds_left=None if left is None else round(left),
        )

        def draw(spent: float) -> str:
            left = seconds_left(pasts, rows=rows, spent=spent)
            return line(place, step.name, tasks=self._session.tasks(), spent=spent, left=left)

        with shown(draw):
            yield


def tell(step: Done) -> None:
    """One line in the log for what became of a step."""
    if step.status in ("ran", "failed"):
        event(
            log,
            "step.finished" if step.status == "ran" else "step.failed",
            level=logging.INFO if step.status == "ran" else logging.ERROR,
            job=step.name,
            rows_in=step.rows_in,
            rows_out=step.rows_out,
            seconds=round(step.seconds, 1),
            peak_mib=None if step.peak_mib is None else round(step.peak_mib),
        )
    elif step.status == "skipped":
        event(log, "step.skipped", job=step.name, rows_out=step.rows_out)


def report(config: Config, done: Sequence[Done]) -> None:
    """Write what became of the night, for people and for Prometheus."""
    workspace = Workspace(config.workspace)
    night = night_of(config, done)
    document, page = night.to_document(), render_night(night)
    write_document(workspace.report("night"), document)
    write_text(workspace.page("night"), page)
    if night.as_of is not None:
        day = night.as_of[:10]
        write_document(workspace.report(f"nights/{day}"), document)
        write_text(workspace.page(f"nights/{day}"), page)
    write_text(workspace.metrics("night"), metrics(night))
    event(
        log,
        "night.finished" if night.error is None else "night.failed",
        level=logging.INFO if night.error is None else logging.ERROR,
        status=night.status,
        run_id=night.run_id,
        seconds=round(night.seconds, 1),
        page=str(workspace.page("night")),
    )


def night_of(config: Config, done: Sequence[Done]) -> Night:
    """All that is known of the night, whether it finished or not."""
    workspace = Workspace(config.workspace)
    allocation, monitoring = (_document(workspace, name) for name in ("allocation", "monitoring"))
    try:
        in_use = current(workspace.published)
    except UpliftError:
        in_use = None
    rows: list[SegmentRow] = []
    if in_use is not None:
        before = snapshot_before(workspace.published, in_use.facts.as_of)
        rows = segment_rows(
            {name: (size.customers, size.offers) for name, size in in_use.facts.segments.items()},
            None
            if before is None
            else {name: size.customers for name, size in before.facts.segments.items()},
        )
    error = next((step.reason for step in done if step.status == "failed"), None)
    return Night(
        campaign_id=config.campaign.id,
        as_of=None if allocation is None else str(allocation["as_of"]),
        run_id=None if in_use is None else in_use.run_id,
        steps=done,
        segments=rows,
        allocation=allocation,
        monitoring=monitoring,
        error=error,
    )


def metrics(night: Night) -> str:
    """The night as gauges."""
    campaign = {"campaign": night.campaign_id}
    ran = [step for step in night.steps if step.status == "ran"]
    spend = None if night.allocation is None else night.allocation["expected_spend_eur"]
    return exposition(
        [
            Gauge(
                "uplift_night_succeeded",
                "1 if the night finished or had nothing to do, 0 if it failed.",
                [(campaign, float(night.error is None))],
            ),
            Gauge(
                "uplift_step_seconds",
                "Wall time of each step that ran.",
                [({**campaign, "step": step.name}, step.seconds) for step in ran],
            ),
            Gauge(
                "uplift_step_rows",
                "Rows that came out of each step that ran.",
                [
                    ({**campaign, "step": step.name}, float(step.rows_out))
                    for step in ran
                    if step.rows_out is not None
                ],
            ),
            Gauge(
                "uplift_step_peak_bytes",
                "Most memory of the driver's processes in each step that ran.",
                [
                    ({**campaign, "step": step.name}, step.peak_mib * 2**20)
                    for step in ran
                    if step.peak_mib is not None
                ],
            ),
            Gauge(
                "uplift_segment_customers",
                "Customers of each segment in the run that readers use.",
                [
                    ({**campaign, "segment": row.name}, float(row.customers))
                    for row in night.segments
                ],
            ),
            Gauge(
                "uplift_expected_spend_euros",
                "What tonight's coupons are expected to cost.",
                [] if spend is None else [(campaign, float(json.dumps(spend)))],
            ),
        ]
    )


def _document(workspace: Workspace, name: str) -> dict[str, object] | None:
    if not workspace.report(name).is_file():
        return None
    return read_document(workspace.report(name), made_by="nightly.py")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day such as 2026-06-01") from error


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run-date", type=_day, metavar="DAY", help="over `run_date` of the config"
    )
    parser.add_argument("--from", dest="first", metavar="STEP", help="leave out the steps before")
    parser.add_argument(
        "--only", action="append", default=[], metavar="STEP", help="this step; repeat it for more"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would run, run nothing")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    return run_with_options(__doc__, run, argv, add_options=_add_options)


if __name__ == "__main__":
    sys.exit(main())
