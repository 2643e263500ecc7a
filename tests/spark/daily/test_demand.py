import pytest

from uplift.errors import ConfigError
from uplift.spark.daily.demand import TypeTrace, WindowTotal, demand_of, valued_types
from uplift.spark.event_features import EventSummary


def summary(aggregate, days=7, event_type="buy", to_day=0):
    return EventSummary(f"{event_type}_{aggregate}", event_type, aggregate, -days, to_day)


def test_a_number_that_two_summaries_need_is_kept_once():
    demand = demand_of([summary("sum"), summary("mean"), summary("count")])
    assert demand.totals == (
        WindowTotal("buy", 7, "n"),
        WindowTotal("buy", 7, "n_valued"),
        WindowTotal("buy", 7, "total"),
    )


def test_a_trend_needs_twice_its_window():
    demand = demand_of([summary("trend", days=7)])
    assert (demand.lengths, demand.longest) == ({7, 14}, 14)


def test_a_trace_reaches_as_far_as_the_longest_window_that_asks_for_it():
    demand = demand_of([summary("max", 7), summary("max", 30), summary("recency", 90)])
    assert demand.traces == (TypeTrace("buy", "highest", 30), TypeTrace("buy", "last_us", 90))
    assert demand.columns == ["trace_0", "trace_1"]


def test_the_order_of_the_declaration_changes_nothing():
    declared = [summary("sum"), summary("max"), summary("count", event_type="Buy")]
    assert demand_of(declared) == demand_of(declared[::-1])


def test_different_values_are_kept_only_of_types_that_count_them():
    assert valued_types([summary("distinct"), summary("sum", event_type="visit")]) == ["buy"]


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (summary("sum", to_day=3), "buy_sum covers day -7 to 3.*`features.incremental` to false"),
    ],
)
def test_what_running_totals_cannot_answer_is_refused(refused, message):
    with pytest.raises(ConfigError, match=message):
        demand_of([summary("sum"), refused])
