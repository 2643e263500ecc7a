from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.experiment.simulate.builders import Document, small_scenario
from uplift.experiment.simulate import Block, draw_population, simulate_block

N = 3000
DAY = pd.Timedelta(days=1)
PURCHASES: Document = {
    "type": "purchase",
    "count": "visits",
    "days": [-30, 0],
    "silent_days": "visits",
    "value": {"log_mean": {"intercept": 2}, "log_sd": 0.5},
}
LATER: Document = {"type": "purchase", "count": "visits", "days": [14, 90]}


def block(n: int = N, number: int = 0, **knobs: float) -> Block:
    scenario = small_scenario(
        customers={
            "taste": {"node": "taste", "missing_share": 0.2},
            "channel": {"node": "channel"},
            "keen": {"node": "keen"},
        },
        nodes={
            **small_scenario().declared.model_dump()["nodes"],
            "keen": {"kind": "logit", "terms": {"taste": 1}},
        },
        events=[{"type": "visit", "count": "visits", "days": [-30, 0]}, PURCHASES, LATER],
    )
    return simulate_block(scenario.with_knobs(**knobs), seed=3, block=number, n_units=n)


@pytest.fixture(scope="module")
def one() -> Block:
    return block(not_exposed_share=0.2)


@pytest.fixture(scope="module")
def events(one: Block) -> pd.DataFrame:
    """Events with their customer's assignment, and the days between the two."""
    frame = one.events.to_pandas().merge(one.assignments.to_pandas(), on="unit_id")
    frame["days"] = (frame.event_at - frame.assigned_at) / DAY
    return frame


def test_the_tables_have_the_columns_of_a_real_log(one: Block) -> None:
    instant, numbers = pa.timestamp("us", tz="UTC"), pa.list_(pa.float64())
    text, double, flag = pa.string(), pa.float64(), pa.bool_()
    assert dict(zip(one.assignments.column_names, one.assignments.schema.types, strict=True)) == {
        "experiment_id": text,
        "unit_id": text,
        "arm": text,
        "assigned_at": instant,
        "propensity": double,
        "cluster_id": text,
    }
    assert dict(zip(one.events.column_names, one.events.schema.types, strict=True)) == {
        "unit_id": text,
        "event_type": text,
        "event_at": instant,
        "value": double,
    }
    assert dict(zip(one.customers.column_names, one.customers.schema.types, strict=True)) == {
        "unit_id": text,
        "taste": double,
        "channel": text,
        "keen": flag,
    }
    assert dict(zip(one.truth.column_names, one.truth.schema.types, strict=True)) == {
        "unit_id": text,
        "true_conversion": numbers,
        "true_revenue": numbers,
        "potential_conversion": numbers,
        "potential_revenue": numbers,
        "exposed": flag,
    }


def test_the_outcome_in_the_events_is_the_potential_outcome_in_the_truth(
    one: Block, events: pd.DataFrame
) -> None:
    """Summed over the window as a feature job would, to the last bit."""
    inside = events[(events.event_type == "purchase") & events.days.between(0, 14)]
    spent = inside.groupby("unit_id").value.sum()
    units = one.assignments.column("unit_id").to_pylist()
    arm = one.assignments.to_pandas().arm.map({"nothing": 0, "coupon": 1}).to_numpy()
    for column, observed in (
        ("potential_revenue", spent.reindex(units).fillna(0.0)),
        ("potential_conversion", inside.unit_id.value_counts().reindex(units).fillna(0.0)),
    ):
        potential = np.stack(one.truth.column(column).to_numpy())
        assert potential[np.arange(N), arm].tolist() == observed.tolist()


def test_a_coupon_is_redeemed_by_converted_customers_whom_it_reached(
    one: Block, events: pd.DataFrame
) -> None:
    exposed = dict(
        zip(one.truth["unit_id"].to_pylist(), one.truth["exposed"].to_pylist(), strict=True)
    )
    bought = events[(events.event_type == "purchase") & events.days.between(0, 14)]
    reached = bought[(bought.arm == "coupon") & bought.unit_id.map(exposed)]
    redeemed = events[events.event_type == "redeemed"]
    assert 0 < len(reached) < len(bought)
    assert redeemed[["unit_id", "event_at"]].to_numpy().tolist() == (
        reached[["unit_id", "event_at"]].to_numpy().tolist()
    )


def test_events_before_the_assignment_lie_strictly_before_it(events: pd.DataFrame) -> None:
    visits = events[events.event_type == "visit"]
    assert (visits.days < 0).all()
    assert (visits.days > -30).all()
    assert abs(visits.days.mean() + 15) < 4 * (30 / np.sqrt(12)) / np.sqrt(len(visits))


def test_nothing_happens_on_silent_days(one: Block, events: pd.DataFrame) -> None:
    visits = events[events.event_type == "visit"].unit_id.value_counts()
    bought = events[(events.event_type == "purchase") & (events.days < 0)]
    assert (bought.days < -bought.unit_id.map(visits)).all()


def test_other_purchases_lie_outside_the_outcome_window(events: pd.DataFrame) -> None:
    bought = events[events.event_type == "purchase"]
    inside = bought[bought.days.between(0, 14)]
    assert inside.unit_id.is_unique
    assert (bought.days > 14).any()


def test_the_log_ends_when_it_says(events: pd.DataFrame) -> None:
    """Purchases are declared up to 90 days after the assignment, the log ends earlier."""
    assert events.event_at.max() < pd.Timestamp("2026-02-01", tz="UTC")
    assert events.event_at.max() > pd.Timestamp("2026-01-31", tz="UTC")


def test_values_are_lognormal_where_declared_and_missing_elsewhere(events: pd.DataFrame) -> None:
    values = np.log(events[(events.event_type == "purchase") & (events.days < 0)].value)
    assert abs(values.mean() - 2.0) < 4 * 0.5 / np.sqrt(len(values))
    assert events[events.event_type == "visit"].value.isna().all()


def test_the_declared_share_of_an_attribute_is_missing(one: Block) -> None:
    assert abs(one.customers["taste"].null_count / N - 0.2) < 4 * np.sqrt(0.2 * 0.8 / N)
    assert one.customers["channel"].null_count == 0
    assert set(one.customers["channel"].to_pylist()) == {"web", "app"}


@pytest.mark.parametrize("name", ["assignments", "events", "customers", "truth"])
def test_fewer_customers_are_the_beginning_of_more(name: str) -> None:
    few, many = getattr(block(40), name), getattr(block(90), name)
    first = pa.compute.is_in(many["unit_id"], value_set=few["unit_id"].combine_chunks())
    assert _rows(few) == _rows(many.filter(first))


def test_blocks_hold_different_customers_under_different_names() -> None:
    a, b = block(50), block(50, number=1)
    assert a.assignments["unit_id"][0].as_py() == "c000000000"
    assert b.assignments["unit_id"][0].as_py() == "c000025000"
    assert a.customers["taste"].to_pylist() != b.customers["taste"].to_pylist()


def test_households_are_named_after_their_first_member() -> None:
    clusters = block(5, number=1, household_size=2).assignments["cluster_id"].to_pylist()
    assert clusters == ["h000025000"] * 2 + ["h000025002"] * 2 + ["h000025004"]


def test_the_propensity_written_is_that_of_the_arm_drawn() -> None:
    scenario = small_scenario().with_knobs(confounding=1.0)
    written = simulate_block(scenario, seed=3, block=0, n_units=9).assignments
    population = draw_population(scenario, seed=3, block=0, n_units=9)
    expected = population.propensities[np.arange(9), population.arm]
    assert written["propensity"].to_pylist() == expected.tolist()
    assert [scenario.arms.number_of(arm) for arm in written["arm"].to_pylist()] == (
        population.arm.tolist()
    )


def _rows(table: pa.Table) -> list[dict[str, object]]:
    key: Callable[[dict[str, object]], str] = repr
    return sorted(table.to_pylist(), key=key)
