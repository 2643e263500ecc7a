from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.experiment.simulate.builders import Document, document, nodes, small_scenario
from uplift.config import load_config
from uplift.errors import ConfigError
from uplift.experiment.simulate import load_scenario, scenario_from

RETAILER = ROOT / "conf" / "simulate" / "retailer.yaml"
TABLE = {"kind": "table", "by": ["channel"], "entries": {"web": 1}}
PAIRS = {"kind": "table", "by": ["channel", "arm"], "entries": {"web": 1, "app": {"coupon": 2}}}
TREE = {"kind": "tree", "split": "taste", "then": 0, "otherwise": 1}
SHIFTED = {"kind": "category", "shares": {"web": 1}, "shifts": {"app": {}}}


def outcome(**changes: object) -> Document:
    return {**document()["outcome"], **changes}  # type: ignore[dict-item]


def assignment(**changes: object) -> Document:
    return {**document()["assignment"], **changes}  # type: ignore[dict-item]


def spend(**terms: object) -> Document:
    return outcome(spend={"chance": {"terms": terms}, "log_mean": {}, "log_sd": 1})


def amount(**terms: object) -> Document:
    return {"log_mean": {"terms": terms}, "log_sd": 1}


def visits(**changes: object) -> list[Document]:
    return [{"type": "visit", "count": "visits", "days": [-30, 0], **changes}]


def test_the_shipped_scenario_fits_the_shipped_campaign() -> None:
    base, coupon = ROOT / "conf" / "base.yaml", ROOT / "conf" / "campaigns" / "coupon.yaml"
    config, scenario = load_config([base, coupon]), load_scenario(RETAILER)
    kinds = {
        column: "categorical" if attribute.node in scenario.levels else "numeric"
        for column, attribute in scenario.declared.customers.items()
    }
    del kinds["contactable"]
    assert scenario.arms == config.campaign.arms
    assert {feature.name: feature.kind for feature in config.features.static} == kinds
    assert {feature.event_type for feature in config.features.events} == {
        source.type for source in scenario.declared.events
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nodes": nodes(taste={"kind": "linear", "terms": {"pul": 1}})}, "unknown parent 'pul'"),
        ({"nodes": nodes(a={"kind": "product", "of": ["a", "taste"]})}, r"circle \(a -> a\)"),
        ({"nodes": nodes(drift={"kind": "linear"})}, "declares drift, which every scenario"),
        ({"nodes": nodes(pull=TABLE)}, r"no entry for channel=app; add `entries\.app`"),
        ({"nodes": nodes(pull=PAIRS)}, r"no entry for channel=app, arm=nothing; .*web\.coupon"),
        (
            {"nodes": nodes(pull={**TABLE, "entries": {"web": 1, "app": 1, "fax": 1}})},
            r"`entries\.fax` is no level of channel",
        ),
        ({"nodes": nodes(pull={**TABLE, "by": ["taste"]})}, "taste, which is a number; split"),
        ({"outcome": spend(arm={"cupon": 1})}, "unknown arm 'cupon'; known are nothing, coupon"),
        ({"outcome": spend(channel={"fax": 1})}, "unknown level of channel 'fax'; known are web"),
        ({"outcome": spend(channel=1)}, "category .web, app., not a number; turn it into one"),
        ({"outcome": spend(taste={"web": 1})}, "taste is a number; give one number"),
        ({"nodes": nodes(a={**TREE, "split": "arm", "below": 1})}, "'arm' is a category"),
        ({"nodes": nodes(a=TREE)}, "exactly one of `below`"),
        ({"nodes": nodes(a={**TREE, "among": ["x"]})}, "taste, which is a number; ask `below`"),
        ({"nodes": nodes(a={**TREE, "split": "arm", "among": ["x"]})}, "unknown arm 'x'"),
        ({"nodes": nodes(channel=SHIFTED)}, r"`shifts\.app` has no share; known are web"),
        ({"customers": {"pull": {"node": "pull"}}}, "reads 'pull', which the arm changes"),
        ({"customers": {"age": {"node": "age"}}}, r"`customers\.age\.node` = 'age' is no node"),
        ({"events": visits(count="pull")}, "'pull' must be a node of kind count"),
        ({"events": visits(count="vists")}, "'vists' is no node"),
        ({"events": visits(silent_days="pull")}, "reads 'pull', which the arm changes"),
        ({"events": visits(silent_days="channel")}, r"0\.silent_days`: 'channel' is a category"),
        ({"events": visits(days=[0, -30])}, r"\[0, -30\] must go forward in time"),
        ({"events": visits(type="purchase", days=[-30, 1])}, "into the outcome window of 14 days"),
        ({"events": visits(value=amount(channel=1))}, r"`events\.0\.value`: 'channel' is a categ"),
        ({"log_ends_at": "2026-01-24"}, "cuts outcome windows that close by 2026-01-25"),
        ({"assignment": assignment(sleeping_dogs_by="visits")}, "must be a standard normal root"),
        ({"assignment": assignment(confounded_by="channel")}, "confounded_by`: 'channel' is a cat"),
        ({"assignment": assignment(confounded_by="pull")}, "which the arm changes"),
        ({"assignment": assignment(household_shares=["age"])}, "'age' is no node"),
        ({"assignment": assignment(arms={"nothing": 1})}, "at least 2 items"),
        ({"knobs": {"confoundin": 1}}, "`knobs.confoundin`, did you mean `confounding`"),
        ({"nodes": {"a": {"kind": "linear", "interceptt": 1}}}, "did you mean `intercept`"),
        ({"nodes": {"a": {"kind": "count", "at_mots": 1}}}, "did you mean `at_most`"),
        ({"nodes": {"a": {"kind": "lineer"}}}, "expected tags: 'linear'"),
        ({"outcome": outcome(window_days=0)}, "greater than 0"),
    ],
)
def test_a_scenario_that_cannot_be_is_refused_with_the_culprit(
    changes: Document, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        scenario_from(document(**changes), source="small.yaml")
    assert str(caught.value).startswith("small.yaml: ")


def test_all_mistakes_of_one_scenario_are_told_at_once() -> None:
    with pytest.raises(ConfigError, match=r"entries\.app.*customers\.age.*log_ends_at"):
        small_scenario(
            nodes=nodes(pull=TABLE), customers={"age": {"node": "age"}}, log_ends_at="2026-01-05"
        )


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml does not exist"):
        load_scenario(Path("nowhere.yaml"))


@pytest.mark.parametrize("knob", ["confounding", "sleeping_dog_share"])
def test_a_knob_without_the_node_it_turns_is_refused(knob: str) -> None:
    bare = small_scenario(assignment=assignment(confounded_by=None, sleeping_dogs_by=None))
    with pytest.raises(ConfigError, match=f"`knobs.{knob}` is set, but .* names no node"):
        bare.with_knobs(**{knob: 0.5})


def test_an_unknown_knob_names_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="did you mean `drift_per_week`"):
        small_scenario().with_knobs(drift_per_weak=1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"arm": "coupon_99"}, "unknown arm; name one of nothing, coupon"),
        ({"arm": 1.0}, "unknown arm"),
        ({"channel": "fax"}, "unknown channel; name one of web, app"),
        ({"taste": "sweet"}, "taste is a number; give a number"),
        ({"tast": 1.0}, "tast is no node; set one of arm, channel"),
        ({"outcome": 1.0}, "outcome is no node"),
    ],
)
def test_an_intervention_on_nothing_is_refused(
    settings: dict[str, float | str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        small_scenario().do(**settings)
