"""Turn the units of a checked experiment into a training set.

Reads the table ``experiment_units`` and the report ``experiment``; writes the table
``training_set``. An experiment that failed its checks is refused, unless somebody answers for it;
see jobs/check_experiment.py.

    spark-submit jobs/build_training_set.py --config conf/base.yaml --config FILE

Next: jobs/train_model.py
"""

import logging
import sys
import time
from collections.abc import Sequence

from pyspark.sql import SparkSession

from jobs.check_experiment import estimated_propensities, experiment_report, require_sound
from jobs.read_experiment import EXPERIMENT_UNITS
from uplift import columns
from uplift.config import Config
from uplift.logs import event
from uplift.spark.door import run_job
from uplift.spark.tables import read_table, write_table
from uplift.spark.training_set import training_set, with_propensities
from uplift.workspace import Workspace

log = logging.getLogger(__name__)

TRAINING_SET = "training_set"


def run(spark: SparkSession, config: Config) -> None:
    """Read, refuse or build, write."""
    start = time.monotonic()
    workspace = Workspace(config.workspace)
    require_sound(experiment_report(config))
    units = read_table(spark, workspace.table(EXPERIMENT_UNITS), made_by="read_experiment")
    frame = training_set(
        with_propensities(
            units, campaign=config.campaign, estimated=estimated_propensities(spark, config)
        ),
        test_share=config.training.test_share,
        salt=config.training.salt,
    )
    in_order = frame.sortWithinPartitions(columns.UNIT_ID, columns.EXPERIMENT_ID)
    rows = write_table(in_order, workspace.table(TRAINING_SET))
    event(log, "training_set.written", rows=rows, seconds=round(time.monotonic() - start, 1))


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the job."""
    return run_job(__doc__, run, argv)


if __name__ == "__main__":
    sys.exit(main())
