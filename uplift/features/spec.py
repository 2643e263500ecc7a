"""From the features that conf declares to the columns that every table and model carries.

Training and scoring read the same declaration, so the order and the names of the columns follow
from ``conf`` alone.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from uplift import columns
from uplift.config import Aggregate, EventFeature, Features, RatioFeature
from uplift.errors import ConfigError

Kind = Literal["numeric", "categorical"]

RESERVED = frozenset(
    {
        columns.UNIT_ID,
        columns.EXPERIMENT_ID,
        columns.CLUSTER_ID,
        columns.ARM,
        columns.ASSIGNED_AT,
        columns.PROPENSITY,
        columns.PROPENSITIES,
        columns.IS_TRIMMED,
        columns.SPLIT,
        columns.AS_OF,
        columns.CONVERSION,
        columns.REVENUE,
        columns.CONTACTABLE,
    }
)


@dataclass(frozen=True)
class FeatureColumn:
    """One column of the feature matrix; a categorical one holds text until it is encoded."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class EventColumn:
    """One number that sums up the events of a type in the ``window_days`` before the as-of time."""

    name: str
    event_type: str
    aggregate: Aggregate
    window_days: int


@dataclass(frozen=True)
class RatioColumn:
    """One numeric column over another; null where the denominator is 0 or either is null."""

    name: str
    numerator: str
    denominator: str


def feature_columns(features: Features) -> tuple[FeatureColumn, ...]:
    """The columns of the feature matrix in their one order: static, then events, then ratios.

    Raises:
        ConfigError: Nothing is declared, a name is taken twice, a name belongs to the product, or
            a ratio is of something else than two numeric features. Names that differ only in case
            are the same name, as they are for Spark.

    Examples:
        >>> from uplift.config import EventFeature, Features, StaticFeature
        >>> visits = EventFeature(
        ...     event_type="visit", aggregates=("count", "recency"), window_days=(7, 30)
        ... )
        >>> age = StaticFeature(name="age", kind="numeric")
        >>> [column.name for column in feature_columns(Features(static=(age,), events=(visits,)))]
        ['age', 'visit_count_7d', 'visit_count_30d', 'visit_recency_days']
    """
    declared = tuple(
        [FeatureColumn(feature.name, feature.kind) for feature in features.static]
        + [FeatureColumn(column.name, "numeric") for column in event_columns(features)]
        + [FeatureColumn(column.name, "numeric") for column in ratio_columns(features)]
    )
    _check_names([column.name for column in declared])
    return declared


def event_columns(features: Features) -> tuple[EventColumn, ...]:
    """The columns computed from events, in declared order.

    Recency does not depend on where a window starts, only on how far back we look; it comes once
    per declaration, over its longest window.
    """
    return tuple(column for feature in features.events for column in _columns_of(feature))


def ratio_columns(features: Features) -> tuple[RatioColumn, ...]:
    """The ratios of other columns, in declared order.

    Raises:
        ConfigError: A ratio is of a column that is not declared, or not a number.
    """
    numeric = [feature.name for feature in features.static if feature.kind == "numeric"]
    numeric += [column.name for column in event_columns(features)]
    for ratio in features.ratios:
        _check_side(ratio, "numerator", ratio.numerator, numeric)
        _check_side(ratio, "denominator", ratio.denominator, numeric)
    return tuple(RatioColumn(r.name, r.numerator, r.denominator) for r in features.ratios)


def _check_side(ratio: RatioFeature, side: str, name: str, numeric: list[str]) -> None:
    if name not in numeric:
        close = difflib.get_close_matches(name, numeric, n=1, cutoff=0.6)
        guess = f" (is it {close[0]!r}?)" if close else ""
        raise ConfigError(
            f"the {side} of the ratio {ratio.name!r} is {name!r}{guess}, which is none of the "
            f"{len(numeric)} numeric features. Name one of `features.static` or `features.events` "
            "in `features.ratios`."
        )


def _columns_of(feature: EventFeature) -> Iterator[EventColumn]:
    kind = feature.event_type
    for aggregate in feature.aggregates:
        if aggregate == "recency":
            yield EventColumn(
                f"{kind}_recency_days", kind, aggregate, window_days=max(feature.window_days)
            )
        else:
            for days in feature.window_days:
                yield EventColumn(f"{kind}_{aggregate}_{days}d", kind, aggregate, window_days=days)


def _check_names(names: list[str]) -> None:
    if not names:
        raise ConfigError(
            "`features` declares no feature; name at least one under `features.static` or "
            "`features.events`."
        )
    folded = [name.lower() for name in names]
    doubled = sorted({name for name in folded if folded.count(name) > 1})
    if doubled:
        raise ConfigError(
            f"{len(doubled)} of {len(names)} feature names appear more than once, upper and lower "
            f"case alike: {doubled}. Declare each static feature, event type, aggregate, window "
            "and ratio once in `features`."
        )
    taken = sorted(RESERVED.intersection(folded))
    if taken:
        raise ConfigError(
            f"{len(taken)} of {len(names)} feature names belong to the product's own columns: "
            f"{taken}. Rename them in the source table and in `features.static`."
        )
