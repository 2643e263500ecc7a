import pytest

from uplift.config import EventFeature, Features, RatioFeature, StaticFeature
from uplift.errors import ConfigError
from uplift.features.spec import (
    EventColumn,
    FeatureColumn,
    RatioColumn,
    event_columns,
    feature_columns,
    ratio_columns,
)

AGE = StaticFeature(name="age", kind="numeric")
REGION = StaticFeature(name="region", kind="categorical")


def event_feature(event_type="purchase", aggregates=("count",), window_days=(30,)):
    return EventFeature(event_type=event_type, aggregates=aggregates, window_days=window_days)


def test_static_features_come_first_then_events_as_declared():
    features = Features(
        static=(REGION, AGE),
        events=(
            event_feature(aggregates=("sum", "count"), window_days=(90, 30)),
            event_feature("app.visit", ("max",), (7,)),
        ),
    )
    assert feature_columns(features) == (
        FeatureColumn("region", "categorical"),
        FeatureColumn("age", "numeric"),
        FeatureColumn("purchase_sum_90d", "numeric"),
        FeatureColumn("purchase_sum_30d", "numeric"),
        FeatureColumn("purchase_count_90d", "numeric"),
        FeatureColumn("purchase_count_30d", "numeric"),
        FeatureColumn("app.visit_max_7d", "numeric"),
    )


def test_recency_comes_once_over_the_longest_window():
    features = Features(events=(event_feature(aggregates=("recency",), window_days=(7, 90, 30)),))
    assert event_columns(features) == (
        EventColumn("purchase_recency_days", "purchase", "recency", window_days=90),
    )


def test_no_feature_at_all_is_an_error_that_names_the_section():
    with pytest.raises(ConfigError, match=r"`features` declares no feature"):
        feature_columns(Features())


@pytest.mark.parametrize(
    ("features", "culprit"),
    [
        (Features(static=(AGE, AGE)), "'age'"),
        (Features(static=(AGE, StaticFeature(name="AGE", kind="numeric"))), "'age'"),
        (Features(events=(event_feature(window_days=(30, 30)),)), "'purchase_count_30d'"),
        (
            Features(events=(event_feature(), event_feature(aggregates=("count", "sum")))),
            "'purchase_count_30d'",
        ),
        (
            Features(
                static=(StaticFeature(name="purchase_count_30d", kind="numeric"),),
                events=(event_feature(),),
            ),
            "'purchase_count_30d'",
        ),
    ],
)
def test_a_name_taken_twice_is_an_error_that_names_it(features, culprit):
    with pytest.raises(ConfigError, match=f"more than once.*{culprit}"):
        feature_columns(features)


@pytest.mark.parametrize("name", ["unit_id", "arm", "propensity", "Split", "conversion", "as_of"])
def test_a_feature_cannot_take_a_name_of_the_product(name):
    features = Features(static=(AGE, StaticFeature(name=name, kind="numeric")))
    with pytest.raises(ConfigError, match=f"1 of 2 feature names.*'{name.lower()}'"):
        feature_columns(features)


def ratio(numerator="purchase_count_30d", denominator="age", name="rate"):
    return RatioFeature(name=name, numerator=numerator, denominator=denominator)


def test_ratios_come_last_and_are_numbers():
    features = Features(static=(AGE,), events=(event_feature(),), ratios=(ratio(),))
    assert feature_columns(features)[-1] == FeatureColumn("rate", "numeric")
    assert ratio_columns(features) == (RatioColumn("rate", "purchase_count_30d", "age"),)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            ratio(numerator="purchases_count_30d"),
            r"numerator.*'rate'.*is it 'purchase_count_30d'.*none of the 2 numeric",
        ),
        (ratio(denominator="region"), r"denominator of the ratio 'rate' is 'region'"),
        (ratio(denominator="rate"), r"denominator of the ratio 'rate' is 'rate'"),
    ],
)
def test_a_ratio_of_anything_but_two_declared_numbers_is_refused(bad, message):
    features = Features(static=(AGE, REGION), events=(event_feature(),), ratios=(bad,))
    with pytest.raises(ConfigError, match=message):
        feature_columns(features)


def test_a_ratio_cannot_take_the_name_of_another_feature():
    features = Features(static=(AGE,), events=(event_feature(),), ratios=(ratio(name="Age"),))
    with pytest.raises(ConfigError, match=r"more than once.*'age'"):
        feature_columns(features)
