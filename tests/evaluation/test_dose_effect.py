import numpy as np
import pytest

from uplift.errors import ContractError
from uplift.evaluation.dose_effect import dose_effect
from uplift.evaluation.ranked_sums import ranked_sums


def test_doses_give_the_published_cumulative_effects_and_gains() -> None:
    dose = np.repeat([1, 2, 3], 3)
    priority = np.tile([1, 2, 3], 3) * 10 - np.arange(9) / 10  # ties in the order of rows
    sums = ranked_sums(priority, dose - 1, [1, 1, 1, 2, 3, 4, 3, 5, 7], n_arms=3)
    effect = dose_effect(sums, np.array([1.0, 2.0, 3.0]))[0, 2:]
    assert effect == pytest.approx([3, 3, 2.92857143, 2.5, 2.5, 2.46153846, 2])
    gain = effect * np.arange(3, 10) / 9
    published = [1, 1.33333333, 1.62698413, 1.66666667, 1.94444444, 2.18803419, 2]
    assert gain == pytest.approx(published)


def test_a_top_of_one_dose_has_no_slope() -> None:
    sums = ranked_sums([2, 1], [0, 1], [1, 3], n_arms=2)
    found = dose_effect(sums, np.array([0.0, 5.0]))[0]
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(0.4)


@pytest.mark.parametrize("doses", [[1.0], [2.0, 2.0]])
def test_doses_that_are_none_are_refused(doses: list[float]) -> None:
    with pytest.raises(ContractError, match="not all equal"):
        dose_effect(ranked_sums([2, 1], [0, 1], [1, 3], n_arms=2), np.array(doses))
