"""Walk a campaign from its experiment log to published segments, in one Spark session.

Reads the campaign's inputs (simulated first where ``simulation`` is set); runs every job below in
turn, each of which reads what the one before wrote to the workspace; prints a summary.

    python -m jobs.run_campaign --config conf/base.yaml --config conf/campaigns/coupon.yaml

Next: ``make serve`` answers decisions from the run it published.
"""

import logging
import sys
import time
from collections.abc import Callable, Sequence

from pyspark.sql import SparkSession

from jobs import (
    assign_coupons,
    build_customer_features,
    build_training_set,
    check_experiment,
    compare_with_truth,
    evaluate_model,
    export_segments,
    print_summary,
    publish_snapshot,
    read_experiment,
    score_customers,
    simulate_experiment,
    train_model,
)
from uplift.config import Config
from uplift.logs import event
from uplift.spark.door import run_job

log = logging.getLogger(__name__)

Step = Callable[[SparkSession, Config], None]


def _plain(run: Callable[[Config], None]) -> Step:
    """A job without Spark as a step of the walk."""
    return lambda _, config: run(config)


WALK: tuple[tuple[str, Step], ...] = (
    ("read the experiment", read_experiment.run),
    ("check the experiment", check_experiment.run),
    ("build the training set", build_training_set.run),
    ("train the model", train_model.run),
    ("evaluate the model", evaluate_model.run),
    ("build customer features", build_customer_features.run),
    ("score customers", score_customers.run),
    ("assign coupons", assign_coupons.run),
    ("publish the run", publish_snapshot.run),
    ("export the audience", _plain(export_segments.run)),
)


def steps(config: Config) -> tuple[tuple[str, Step], ...]:
    """The walk of one campaign; a simulated one starts with its log and ends with its truth."""
    if config.simulation is None:
        return WALK
    return (
        ("simulate the experiment", _plain(simulate_experiment.run)),
        *WALK,
        ("compare with the truth", compare_with_truth.run),
    )


def run(spark: SparkSession, config: Config) -> None:
    """Run every step, telling which one and how long it took."""
    walk = steps(config)
    start = time.monotonic()
    for number, (name, step) in enumerate(walk, start=1):
        step_start = time.monotonic()
        event(log, "step.started", step=f"{number}/{len(walk)}", task=name)
        step(spark, config)
        event(log, "step.finished", step=f"{number}/{len(walk)}", seconds=_since(step_start))
    event(log, "walk.finished", seconds=_since(start))


def _since(start: float) -> float:
    return round(time.monotonic() - start, 1)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    status = run_job(__doc__, run, argv)
    return status or print_summary.main(argv)


if __name__ == "__main__":
    sys.exit(main())
