import numpy as np
import pytest

from tests.learners.builders import ARMS, ENCODER, MeanTrainer
from uplift.columns import CONVERSION, REVENUE
from uplift.errors import ContractError, ExperimentError
from uplift.learners.base import Vector
from uplift.learners.fit import MIN_ARM_ROWS, Plan, fit_model
from uplift.learners.model import UpliftModel

N_ROWS = 3 * MIN_ARM_ROWS
ARM = np.repeat([0, 1, 2], MIN_ARM_ROWS)
BOUGHT = np.concatenate([np.arange(MIN_ARM_ROWS) < n for n in (10, 25, 50)]).astype(np.float64)


def fit(outcomes: dict[str, Vector], *, n_rows: int = N_ROWS, **changed: object) -> UpliftModel:
    return fit_model(
        np.zeros((n_rows, 2)),
        ARM[:n_rows],
        np.full(n_rows, 1 / 3),
        {name: values[:n_rows] for name, values in outcomes.items()},
        arms=ARMS,
        encoder=ENCODER,
        plan=Plan(
            trainer=MeanTrainer(),
            parameters={},
            rounds=1,
            seed=1,
        ),
        **changed,  # type: ignore[arg-type]
    )


def test_every_outcome_given_is_modelled() -> None:
    model = fit({CONVERSION: BOUGHT, REVENUE: 40.0 * BOUGHT})
    anybody = np.zeros((1, 2))
    assert model.outcomes == (CONVERSION, REVENUE)
    np.testing.assert_allclose(model.expected_outcome(anybody), [[0.1, 0.25, 0.5]])
    np.testing.assert_allclose(model.cate(anybody, REVENUE), [[6.0, 16.0]])


def test_revenue_is_only_modelled_where_it_is_given() -> None:
    assert fit({CONVERSION: BOUGHT}).outcomes == (CONVERSION,)


def test_remarks_travel_along() -> None:
    assert fit({CONVERSION: BOUGHT}, metadata={"rows": "300"}).metadata == {"rows": "300"}


def test_an_outcome_that_nobody_knows_how_to_fit_is_refused() -> None:
    with pytest.raises(ContractError, match=r"no learner for \['visits'\]"):
        fit({CONVERSION: BOUGHT, "visits": BOUGHT})


def test_an_arm_below_the_minimum_is_refused() -> None:
    with pytest.raises(ExperimentError, match="arm 2 has 99 of 299"):
        fit({CONVERSION: BOUGHT}, n_rows=N_ROWS - 1)


def test_a_conversion_that_is_no_yes_or_no_is_refused() -> None:
    with pytest.raises(ContractError, match=r"conversion is 2\.0 in 85 of 300 rows"):
        fit({CONVERSION: 2.0 * BOUGHT})
