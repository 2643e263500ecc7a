"""How predictions are spread."""

import numpy as np
import pytest

from uplift.errors import ContractError
from uplift.evaluation.spread import BINS, LEVELS, spread_of


def test_moments_quantiles_and_a_histogram_that_holds_nearly_all() -> None:
    values = np.random.default_rng(0).normal(0.1, 0.2, 20_000)
    found = spread_of(values)
    assert found.mean == values.mean()
    assert found.standard_deviation == values.std()
    assert found.quantiles[LEVELS.index(0.5)] == pytest.approx(0.1, abs=3 * 0.2 / 100)
    assert found.share_negative == (values < 0).mean()
    assert len(found.edges) == BINS + 1
    assert 0.98 <= found.density.sum() <= 1.0


def test_equal_predictions_fill_one_bin() -> None:
    assert spread_of([0.1] * 5).density.max() == 1.0


@pytest.mark.parametrize("values", [[], [[0.1]]])
def test_one_number_per_customer_is_asked_for(values: list[object]) -> None:
    with pytest.raises(ContractError, match="give one per customer"):
        spread_of(np.array(values, dtype=float))


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ContractError, match="prediction nan in 1 of 2"):
        spread_of([0.1, np.nan])
