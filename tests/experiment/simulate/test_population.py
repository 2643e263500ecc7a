import numpy as np
import pytest

from tests.experiment.simulate.builders import nodes, small_scenario
from uplift.errors import ConfigError
from uplift.experiment.simulate import (
    UNITS_PER_BLOCK,
    Population,
    Response,
    Scenario,
    draw_population,
)
from uplift.experiment.simulate.population import DAY, midnight

KNOBS: list[dict[str, float]] = [
    {},
    {"confounding": 1.0},
    {"not_exposed_share": 0.3},
    {"sleeping_dog_share": 0.4},
    {"drift_per_week": 1.0},
    {"household_size": 3},
]


def draw(scenario: Scenario, n: int = 2000, *, seed: int = 5, block: int = 0) -> Population:
    return draw_population(scenario, seed=seed, block=block, n_units=n)


def outcomes(response: Response) -> list[list[float]]:
    return [
        response.conversion.tolist(),
        response.revenue.tolist(),
        response.chance.tolist(),
        response.expected_revenue.tolist(),
    ]


@pytest.mark.parametrize("knobs", KNOBS, ids=str)
def test_the_factual_outcome_is_the_potential_outcome_of_the_arm_drawn(
    knobs: dict[str, float],
) -> None:
    """Consistency, to the last bit."""
    population = draw(small_scenario().with_knobs(**knobs))
    factual = population.factual().revenue
    for number, arm in enumerate(population.scenario.arms.names):
        drawn = population.arm == number
        assert drawn.any()
        assert (population.potential(arm).revenue[drawn] == factual[drawn]).all()


@pytest.mark.parametrize("knobs", KNOBS, ids=str)
def test_a_world_where_everybody_is_assigned_an_arm_agrees_with_the_counterfactual(
    knobs: dict[str, float],
) -> None:
    scenario = small_scenario().with_knobs(**knobs)
    for arm in scenario.arms.names:
        intervened = draw(scenario.do(arm=arm))
        assert outcomes(intervened.factual()) == outcomes(draw(scenario).potential(arm))
        assert (intervened.propensities[:, scenario.arms.number_of(arm)] == 1.0).all()


def test_an_intervention_cuts_a_node_from_its_causes_and_moves_only_its_descendants() -> None:
    scenario = small_scenario(nodes=nodes(sweets={"kind": "linear", "terms": {"taste": 2}}))
    before, after = draw(scenario).traits.values, draw(scenario.do(taste=1.5)).traits.values
    assert set(after["taste"]) == {1.5}
    assert set(after["sweets"]) == {3.0}
    assert after["visits"].tolist() == before["visits"].tolist()


def test_an_intervention_on_a_category_takes_the_name_of_a_level() -> None:
    assert set(draw(small_scenario().do(channel="app")).traits.values["channel"]) == {1.0}


def test_who_is_not_exposed_answers_every_arm_like_control() -> None:
    population = draw(small_scenario().with_knobs(not_exposed_share=0.3))
    effect = population.potential("coupon").chance - population.potential("nothing").chance
    assert (effect[~population.exposed] == 0.0).all()
    assert (effect[population.exposed] != 0.0).all()
    assert abs((~population.exposed).mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 2000)


def test_the_declared_share_of_customers_is_put_off() -> None:
    irritated = small_scenario(
        nodes=nodes(
            contacted={"kind": "table", "by": ["arm"], "entries": {"nothing": 0, "coupon": 1}},
            push={"kind": "product", "of": ["contacted", "irritation"]},
        ),
        outcome={
            "spend": {"chance": {"terms": {"push": -1}}, "log_mean": {}, "log_sd": 1},
            "event_type": "purchase",
            "window_days": 14,
        },
    )
    population = draw(irritated.with_knobs(sleeping_dog_share=0.2, sleeping_dog_strength=2.0))
    effect = population.potential("coupon").chance - population.potential("nothing").chance
    put_off = 1 / (1 + np.exp(2.0)) - 0.5
    np.testing.assert_allclose(np.unique(effect), [put_off, 0.0])
    assert abs((effect < 0).mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 2000)


def test_drift_moves_those_who_are_assigned_later() -> None:
    drifting = small_scenario(
        nodes=nodes(mood={"kind": "linear", "sd": 1, "terms": {"drift": 1}})
    ).with_knobs(drift_per_week=7.0)
    population = draw(drifting)
    days = (population.assigned_at - population.assigned_at.min()) / DAY
    slope = np.polyfit(days, population.traits.values["mood"], 1)[0]
    assert abs(slope - 1.0) < 4 / (days.std() * np.sqrt(2000))
    still = draw(drifting.do(drift=0.0)).traits.values["mood"]
    assert abs(np.corrcoef(days, still)[0, 1]) < 4 / np.sqrt(2000)


def test_turning_a_knob_keeps_everybody_as_they_were() -> None:
    clean, turned = draw(small_scenario()), draw(small_scenario().with_knobs(confounding=2.0))
    assert turned.traits.values["taste"].tolist() == clean.traits.values["taste"].tolist()
    assert turned.arm.tolist() != clean.arm.tolist()


def test_a_clean_experiment_draws_arms_by_their_shares() -> None:
    population = draw(small_scenario())
    np.testing.assert_allclose(population.propensities, np.tile([0.25, 0.75], (2000, 1)))
    assert abs(population.arm.mean() - 0.75) < 4 * np.sqrt(0.75 * 0.25 / 2000)


def test_confounded_propensities_are_the_chances_that_arms_are_drawn_with() -> None:
    """Among customers of like propensity the drawn share equals it; a trait predicts it."""
    population = draw(small_scenario().with_knobs(confounding=1.5), n=20_000)
    chance, drawn = population.propensities[:, 1], population.arm == 1
    for part in np.array_split(np.argsort(chance), 10):
        se = np.sqrt((chance[part] * (1 - chance[part])).sum()) / len(part)
        assert abs(drawn[part].mean() - chance[part].mean()) < 4 * se
    assert np.corrcoef(chance, population.traits.values["taste"])[0, 1] > 0.9


def test_a_household_is_drawn_as_one() -> None:
    scenario = small_scenario().with_knobs(household_size=2, confounding=2.0)
    population = draw(scenario)
    for drawn in (population.arm, population.assigned_at, population.exposed):
        assert (drawn[0::2] == drawn[1::2]).all()
    assert (population.propensities[0::2] == population.propensities[1::2]).all()


def test_customers_are_assigned_in_the_declared_days() -> None:
    at = draw(small_scenario()).assigned_at
    start = midnight(small_scenario().declared.assignment.starts_at)
    assert start <= at.min() < start + DAY < start + 9 * DAY < at.max() < start + 10 * DAY


@pytest.mark.parametrize(
    ("seed", "block", "n"), [(-1, 0, 5), (0, -1, 5), (0, 0, 0), (0, 0, UNITS_PER_BLOCK + 1)]
)
def test_a_block_that_cannot_be_is_refused(seed: int, block: int, n: int) -> None:
    with pytest.raises(ConfigError, match=f"seed={seed}, block={block}, n_units={n}"):
        draw(small_scenario(), n, seed=seed, block=block)
