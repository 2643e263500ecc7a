"""Chances of arms for a log of any size: fitted on a hashed sample, applied where the rows are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from uplift import columns
from uplift.arms import Arms
from uplift.config import Observational
from uplift.experiment.observational import ObservationalReport
from uplift.experiment.observe import observe
from uplift.experiment.observed import folds_of, observed_logs
from uplift.experiment.overlap import check_overlap, is_kept, trimming_limit
from uplift.experiment.propensity import PropensityFit, fit_propensities
from uplift.features.encoder import FeatureEncoder
from uplift.features.spec import FeatureColumn
from uplift.spark.arrow import to_lists
from uplift.spark.training_rows import TrainingRows, training_rows

_ADDED = [
    T.StructField(columns.PROPENSITIES, T.ArrayType(T.DoubleType(), containsNull=False)),
    T.StructField(columns.IS_TRIMMED, T.BooleanType()),
]


@dataclass(frozen=True, eq=False)
class FittedPropensities:
    """What tasks need to tell chances and trimming of their own rows."""

    encoder: FeatureEncoder
    fit: PropensityFit
    limit: float
    how: Observational


def sampled_rows(
    frame: DataFrame,
    features: Sequence[FeatureColumn],
    outcomes: Sequence[str],
    *,
    how: Observational,
    source: str,
) -> TrainingRows:
    """All rows of ``experiment_units``, or of a larger log about ``how.max_rows``, on the driver.

    See ``uplift.spark.training_rows``; whole clusters are taken by their hash.
    """
    salt = f"observational:{how.seed}"
    return training_rows(frame, features, outcomes, max_rows=how.max_rows, salt=salt, source=source)


def fit_on_sample(
    rows: TrainingRows, *, n_arms: int, how: Observational, floor: float
) -> FittedPropensities:
    """Fit chances, and learn the limit of trimming, from rows on the driver.

    Raises:
        ExperimentError: An arm has too few rows in the sample.
        OverlapError: An arm and control share nobody who could have been in both.
    """
    log = observed_logs(
        rows.features,
        rows.arm,
        {"arm": rows.arm},  # chances need no outcome
        rows.cluster.tolist(),
        n_arms=n_arms,
        folds=how.folds,
        seed=how.seed,
        categorical=rows.encoder.categorical_indices,
    )["arm"]
    fit = fit_propensities(
        log.features,
        log.arm,
        log.fold,
        n_arms=n_arms,
        folds=how.folds,
        seed=how.seed,
        categorical=log.categorical,
    )
    check_overlap(fit.propensities, log.arm, floor=floor)
    limit = trimming_limit(fit.propensities, rule=how.trim, floor=floor)
    return FittedPropensities(rows.encoder, fit, limit, how)


def add_propensities(frame: DataFrame, fitted: FittedPropensities) -> DataFrame:
    """Add ``propensities``, chances of arms 0..K, and ``is_trimmed``; no action is taken.

    A row's chances come from the model that has not seen the fold of its cluster, whether it was
    in the sample or not, so neither sample nor partitions show in them.

    Args:
        frame: ``cluster_id`` and the features; other columns stay.
        fitted: Is broadcast.
    """
    fitted.encoder.encode(frame.limit(0).toArrow())  # raises here, not in a task
    names = frame.columns
    shared = frame.sparkSession.sparkContext.broadcast(fitted)

    def tell(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        known = shared.value
        for numbered in batches:
            batch = numbered.rename_columns(names)
            if not batch.num_rows:
                continue
            fold = folds_of(
                batch.column(columns.CLUSTER_ID).to_pylist(),
                folds=known.how.folds,
                seed=known.how.seed,
            )
            chances = known.fit.model.propensities(known.encoder.encode(batch), fold)
            kept = is_kept(chances, rule=known.how.trim, limit=known.limit)
            yield pa.RecordBatch.from_arrays(
                [*batch.columns, to_lists(chances), pa.array(~kept)],
                names=[*names, *(field.name for field in _ADDED)],
            )

    # by number, because mapInArrow takes a dot in a name for a field of a struct
    numbered = frame.toDF(*map(str, range(len(names))))
    return numbered.mapInArrow(tell, T.StructType([*frame.schema, *_ADDED]))


def study_log(
    units: DataFrame,
    features: Sequence[FeatureColumn],
    outcomes: Sequence[str],
    *,
    arms: Arms,
    how: Observational,
    floor: float,
    source: str,
) -> tuple[ObservationalReport, DataFrame]:
    """What adjusting finds in a log that nobody randomised, and the table ``propensities``.

    Args:
        units: Rows of ``experiment_units``.
        features: Columns that may have decided who got which arm.
        outcomes: Columns whose effects are told; the first is the one that refutations attack.
        arms: Of the campaign.
        how: Section ``experiment.observational``.
        floor: ``experiment.propensity_floor``.
        source: How the reader knows the units.

    Returns:
        The report; ``unit_id, experiment_id, propensities`` (arms 0..K) ``, is_trimmed``.

    Raises:
        ContractError: There are no rows, or columns are missing.
        ExperimentError: An arm has too few rows.
        OverlapError: An arm and control share nobody who could have been in both.
    """
    rows = sampled_rows(units, features, outcomes, how=how, source=source)
    fitted = fit_on_sample(rows, n_arms=len(arms.names), how=how, floor=floor)
    report = observe(
        rows.features,
        rows.arm,
        rows.outcomes,
        rows.cluster.tolist(),
        arms=arms,
        names=rows.encoder.names,
        categorical=rows.encoder.categorical_indices,
        how=how,
        floor=floor,
        fit=fitted.fit,
    )
    told = add_propensities(units, fitted)
    keys = [columns.UNIT_ID, columns.EXPERIMENT_ID]
    return report, told.select(*keys, *(field.name for field in _ADDED))
