import pytest

from uplift.features.spec import RatioColumn
from uplift.spark.ratios import add_ratios

pytestmark = pytest.mark.spark


def test_a_ratio_is_null_over_zero_and_over_nothing_and_takes_whole_numbers(spark):
    rows = [(6.0, 4), (6.0, 0), (0.0, 0), (6.0, None), (None, 4)]
    frame = spark.createDataFrame(rows, "`shop.sum` double, n int")
    ratios = [RatioColumn("shop.basket", "shop.sum", "n"), RatioColumn("inverse", "n", "shop.sum")]

    found = add_ratios(frame, ratios)

    assert found.columns == ["shop.sum", "n", "shop.basket", "inverse"]
    assert [row["shop.basket"] for row in found.collect()] == [1.5, None, None, None, None]
    assert [row["inverse"] for row in found.collect()] == [4 / 6, 0.0, None, None, None]
