"""Ratios of finished features, for every table that has features."""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from uplift.features.spec import RatioColumn
from uplift.spark.contracts import column


def add_ratios(frame: DataFrame, ratios: Sequence[RatioColumn]) -> DataFrame:
    """Add one double column per ratio; a denominator of 0 gives null, for there is no ratio."""
    return frame.select("*", *map(_ratio, ratios))


def _ratio(ratio: RatioColumn) -> Column:
    numerator = column(ratio.numerator).cast("double")
    denominator = column(ratio.denominator).cast("double")
    return F.try_divide(numerator, denominator).alias(ratio.name)
