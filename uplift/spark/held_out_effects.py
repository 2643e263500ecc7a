"""What held-out rows say to a model's effects and to its segments."""

from collections.abc import Mapping, Sequence

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from uplift import columns
from uplift.arms import CONTROL, Arms
from uplift.config import Evaluation, Segments
from uplift.evaluation.metrics import uplift_by_bin
from uplift.evaluation.ranked_sums import RankedSums
from uplift.evaluation.uncertainty import Estimate, from_replicates
from uplift.experiment.split import TEST
from uplift.learners.model import UpliftModel
from uplift.policy.evidence import EffectBins, EffectIntervals
from uplift.policy.segments import SEGMENTS
from uplift.policy.types import Bounds, PayOffs, benefit, type_shares
from uplift.policy.value import Matrix, ValueRule
from uplift.spark.ranked_sums import ranked_sums
from uplift.spark.scoring import add_appraisal, add_decile, add_expected_outcomes, kept
from uplift.spark.tables import read_table
from uplift.workspace import Workspace

_EXPECTED = {
    columns.CONVERSION: columns.EXPECTED_CONVERSION,
    columns.REVENUE: columns.EXPECTED_REVENUE,
}
_EVERYBODY = "everybody"
Document = dict[str, object]


def unseen_rows(spark: SparkSession, workspace: Workspace) -> DataFrame | None:
    """The held-out rows of ``training_set``; None where no experiment stands in this workspace."""
    path = workspace.table("training_set")
    if not path.is_dir():
        return None
    table = read_table(spark, path, made_by="build_training_set")
    return table.where(F.col(columns.SPLIT) == TEST)


def effect_intervals(
    held_out: DataFrame, model: UpliftModel, outcomes: Sequence[str], how: Evaluation, *, bins: int
) -> EffectIntervals:
    """Measured effects, with intervals, in bins of predicted effect.

    Valid for a model that has not learned from these rows. Bins hold equal shares of them; where
    few predictions differ, there are fewer bins.

    Args:
        held_out: Rows of ``training_set``.
        model: The one that serves.
        outcomes: Whose effects matter.
        how: Replicates, blocks, seed and level.
        bins: At most so many per treatment.
    """
    arms = model.arms
    keys = (columns.EXPERIMENT_ID, columns.ARM, columns.PROPENSITY, columns.CLUSTER_ID)
    frame = held_out.select(*dict.fromkeys([*keys, *outcomes, *model.encoder.names]))
    with kept(add_expected_outcomes(frame, model)) as rows:
        found = {}
        for outcome in outcomes:
            expected = F.col(_EXPECTED[outcome])
            rankings = ranked_sums(
                rows,
                [expected[k] - expected[CONTROL] for k in range(1, len(arms.names))],
                outcome=outcome,
                n_arms=len(arms.names),
                replicates=how.replicates,
                seed=how.seed,
                max_blocks=how.blocks,
            )
            found[outcome] = tuple(
                _bins(sums, k, bins, how.level) for k, sums in enumerate(rankings, 1)
            )
    return EffectIntervals(how.level, found)


def types_report(
    held_out: DataFrame,
    model: UpliftModel,
    *,
    value: ValueRule,
    sure_thing_conversion: float,
    segments: Segments,
) -> Document:
    """Sharp bounds of the four types' shares, and of the benefit, by segment and by decile.

    From conversions measured on held-out rows; bounds say what no experiment can tell apart, not
    how far chance may have moved the conversions.

    Returns:
        ``{everybody, segments: {<name>}, deciles: {<1..10>}}``, each ``{<arm>: {rows: {treated,
        control}, treated, untreated, types: {<type>: {low, high}}, benefit: {low, high}}}``; null
        where nobody can say.
    """
    keys = (columns.ARM, columns.PROPENSITY, columns.CONVERSION)
    features = [name for name in model.encoder.names if name not in keys]
    appraised = add_appraisal(
        add_expected_outcomes(held_out.select(*keys, *features), model),
        value=value,
        sure_thing_conversion=sure_thing_conversion,
        harm_tolerance=segments.harm_tolerance,
    )
    weight = 1.0 / F.col(columns.PROPENSITY)
    with kept(appraised) as rows:
        sums = (
            add_decile(rows)
            .groupBy(columns.SEGMENT, columns.DECILE, columns.ARM)
            .agg(
                F.count("*").alias("n"),
                F.sum(weight).alias("weight"),
                F.sum(weight * F.col(columns.CONVERSION)).alias("converted"),
            )
            .orderBy(columns.SEGMENT, columns.DECILE, columns.ARM)
            .collect()
        )
    n_arms = len(model.arms.names)
    groups = {
        name: np.zeros((n_arms, 3)) for name in (_EVERYBODY, *SEGMENTS, *map(str, range(1, 11)))
    }
    for row in sums:
        for name in (_EVERYBODY, row[columns.SEGMENT], str(row[columns.DECILE])):
            groups[name][row[columns.ARM]] += (row["n"], row["weight"], row["converted"])
    documents = {name: _types(group, model.arms, segments) for name, group in groups.items()}
    return {
        _EVERYBODY: documents[_EVERYBODY],
        "segments": {name: documents[name] for name in SEGMENTS},
        "deciles": {name: documents[name] for name in map(str, range(1, 11))},
    }


def _bins(sums: RankedSums, treatment: int, bins: int, level: float) -> EffectBins:
    """Worst bin first, as edges ascend."""
    found = uplift_by_bin(sums, treatment, bins=min(bins, len(sums.priority)))
    predicted = found.predicted[::-1]
    measured = [from_replicates(column, level=level) for column in found.uplift.T[::-1]]
    middles = (predicted[1:] + predicted[:-1]) / 2.0
    low, high = (tuple(_bound(one, side) for one in measured) for side in ("low", "high"))
    return EffectBins(tuple(middles.tolist()), low, high)


def _bound(estimate: Estimate, side: str) -> float | None:
    bound: float = getattr(estimate, side)
    return bound if np.isfinite(bound) else None


def _types(group: Matrix, arms: Arms, segments: Segments) -> Document:
    n, weight, converted = group.T
    document: Document = {}
    for number, name in enumerate(arms.treatments, 1):
        rows = {"treated": int(n[number]), "control": int(n[CONTROL])}
        if not n[number] or not n[CONTROL]:
            document[name] = {"rows": rows, "types": None, "benefit": None}
            continue
        p1, p0 = (min(converted[k] / weight[k], 1.0) for k in (number, CONTROL))
        shares = type_shares(p1, p0, monotone=segments.monotone)
        pay = segments.pay_offs
        worth = None if pay is None else PayOffs(**pay.model_dump())
        document[name] = {
            "rows": rows,
            "treated": p1,
            "untreated": p0,
            "types": {kind: _document(bounds) for kind, bounds in shares.items()},
            "benefit": None
            if worth is None
            else _document(benefit(p1, p0, worth, monotone=segments.monotone)),
        }
    return document


def _document(bounds: Bounds) -> Mapping[str, float | None]:
    low, high = float(bounds.low), float(bounds.high)
    return {"low": low, "high": high} if np.isfinite(low) else {"low": None, "high": None}
