"""Chances of arms for a log of any size: fitted on a hashed sample, applied where the rows are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from uplift import columns
from uplift.arms import Arms
from uplift.config import Observational
from uplift.experiment.observational import ObservationalReport
from uplift.experiment.observe import observe
from uplift.experiment.observed import folds_of, observed_logs
from uplift.experiment.overlap import check_overlap, is_kept, trimming_limit
from uplift.experiment.propensity import PropensityFit, fit_propensities
from uplift.features.encoder import FeatureEncoder, fit_encoder
from uplift.features.spec import FeatureColumn
from uplift.spark.arrow import to_lists
from uplift.spark.contracts import column, require_columns, require_values
from uplift.spark.hashing import hash_uniform

_ADDED = [
    T.StructField(columns.PROPENSITIES, T.ArrayType(T.DoubleType(), containsNull=False)),
    T.StructField(columns.IS_TRIMMED, T.BooleanType()),
]


@dataclass(frozen=True, eq=False)
class SampledRows:
    """Rows of an observational log on the driver, sorted by unit, as ``observe`` wants them.

    Attributes:
        encoder: Fitted on these rows; it made ``features``.
        features: Shape (n, d).
        arm: Shape (n,).
        outcomes: By name, shape (n,) each.
        cluster_ids: n texts.
        n_available: Rows there were before sampling.
    """

    encoder: FeatureEncoder
    features: npt.NDArray[np.float64]
    arm: npt.NDArray[np.int64]
    outcomes: dict[str, npt.NDArray[np.float64]]
    cluster_ids: list[str]
    n_available: int


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
) -> SampledRows:
    """Collect all rows, or of a larger log about ``how.max_rows``, whole clusters by their hash.

    The same clusters are taken however the table is stored.

    Args:
        frame: ``unit_id``, ``arm``, ``cluster_id``, the features and outcomes.
        features: Columns that may have decided who got which arm.
        outcomes: Columns to bring along; none are needed to fit chances.
        how: Section ``experiment.observational``.
        source: How the reader knows the table.

    Raises:
        ContractError: There are no rows, or columns are missing.
    """
    names = [feature.name for feature in features]
    wanted = [columns.UNIT_ID, columns.ARM, columns.CLUSTER_ID, *outcomes, *names]
    require_columns(frame, wanted, source=source)
    require_values(frame, keys=[columns.UNIT_ID, columns.CLUSTER_ID], features=names, source=source)
    n_available = frame.count()
    if n_available > how.max_rows:
        draw = hash_uniform(F.col(columns.CLUSTER_ID), f"observational:{how.seed}:sample")
        frame = frame.where(draw < how.max_rows / n_available)
    table = frame.select(*map(column, wanted)).toArrow().sort_by(columns.UNIT_ID)
    categories = {
        feature.name: table[feature.name].drop_null().unique().to_pylist()
        for feature in features
        if feature.kind == "categorical"
    }
    encoder = fit_encoder(features, categories)
    return SampledRows(
        encoder=encoder,
        features=encoder.encode(table),
        arm=table[columns.ARM].to_numpy().astype(np.int64),
        outcomes={name: table[name].to_numpy().astype(np.float64) for name in outcomes},
        cluster_ids=table[columns.CLUSTER_ID].to_pylist(),
        n_available=n_available,
    )


def fit_on_sample(
    rows: SampledRows, *, n_arms: int, how: Observational, floor: float
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
        rows.cluster_ids,
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
        rows.cluster_ids,
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
