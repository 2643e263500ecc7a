from dataclasses import fields

import pytest

from tests.conftest import ROOT
from tests.learners.builders import MeanTrainer
from uplift.config import Config, load_config
from uplift.config.training import Forest
from uplift.errors import ConfigError
from uplift.forest import ForestSettings
from uplift.learners.fit import Plan
from uplift.learners.linear import LinearSettings
from uplift.selection.plans import plans_of

TRAINER = MeanTrainer()


def config(*overrides: str) -> Config:
    return load_config([ROOT / "conf/base.yaml", ROOT / "conf/campaigns/coupon.yaml"], overrides)


def plans(candidates: str) -> dict[str, Plan]:
    own = config(f"training.candidates={candidates}")
    return dict(plans_of(own.training, own.campaign, TRAINER))


def test_plans_stand_in_the_order_of_the_config_and_the_response_model_last() -> None:
    named = plans("[{name: z, learner: x_learner}, {name: a, learner: t_learner}]")
    assert [(name, plan.learner) for name, plan in named.items()] == [
        ("z", "x_learner"),
        ("a", "t_learner"),
        ("response", "response"),
    ]


def test_a_candidates_settings_go_over_those_of_the_section() -> None:
    own = plans("[{name: a, learner: t_learner, rounds: 7, booster: {num_leaves: 9}}]")["a"]
    shared = config().training
    assert (own.rounds, own.seed, own.trainer) == (7, shared.seed, TRAINER)
    assert own.parameters == {**shared.booster, "num_leaves": 9}


def test_what_a_candidate_does_not_say_is_shared() -> None:
    own = plans("[{name: a, learner: t_learner}]")["a"]
    assert (own.rounds, own.parameters) == (config().training.rounds, config().training.booster)


def test_an_s_learner_may_see_euro() -> None:
    named = plans(
        "[{name: a, learner: s_learner, arm_as: face_value, monotone: true},"
        " {name: b, learner: s_learner}]"
    )
    assert named["a"].options.face_values == (0.0, 5.0, 10.0)
    assert named["a"].options.monotone
    assert named["b"].options.face_values is None


def test_cross_fitting_has_its_own_folds() -> None:
    named = plans("[{name: a, learner: r_learner, cross_fitting_folds: 2}]")
    assert named["a"].options.n_folds == 2


def test_a_forest_is_grown_as_its_candidate_says() -> None:
    named = plans("[{name: a, learner: causal_forest, forest: {n_trees: 60, criterion: kl}}]")
    settings = named["a"].options.forest
    assert (settings.n_trees, settings.criterion, settings.max_depth) == (60, "kl", 6)
    assert not named["a"].options.on_spark
    forest = "{is_normalised: true, criterion: euclidean, leaf_shrinkage: 5, shard_rows: 1000}"
    changed = plans(f"[{{name: a, learner: causal_forest, on_spark: true, forest: {forest}}}]")["a"]
    assert changed.options.on_spark
    assert changed.options.forest == ForestSettings(
        is_normalised=True, criterion="euclidean", leaf_shrinkage=5.0, shard_rows=1000
    )


def test_the_settings_of_a_forest_are_those_of_the_config() -> None:
    assert ForestSettings(**Forest().model_dump()) == ForestSettings()
    assert set(Forest.model_fields) == {field.name for field in fields(ForestSettings)}


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        (
            "[{name: a, learner: causal_forest, forest: {n_trees: 5}}]",
            "n_trees is 5, no multiple of trees_per_group",
        ),
        ("[{name: a, learner: causal_forest, forest: {is_normalised: true}}]", "normalisation"),
        ("[{name: a, learner: t_learner, on_spark: true}]", "is no forest"),
        (
            "[{name: a, learner: causal_forest, on_spark: true, doubly_robust: true}]",
            "leave one of the two out",
        ),
        (
            "[{name: a, learner: causal_forest, doubly_robust: true, forest: {criterion: kl}}]",
            "compares distributions",
        ),
        ("[{name: a, learner: z_learner}]", "learner"),
        ("[{name: a, learner: t_learner, depth: 3}]", "depth"),
        (
            "[{name: a, learner: t_learner}, {name: a, learner: x_learner}]",
            "the name 'a' is given twice",
        ),
        (
            "[{name: a, learner: t_learner}, {name: response, learner: x_learner}]",
            "the name 'response'",
        ),
        ("[{name: a, learner: s_learner, monotone: true}]", "cannot be monotone"),
        ("[{name: a, learner: response}]", "learner"),
        ("[]", "candidates"),
    ],
)
def test_candidates_that_make_no_sense_are_refused_at_the_door(
    candidates: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        plans(candidates)


def test_a_linear_base_takes_the_place_of_boosters() -> None:
    named = plans(
        "[{name: a, learner: x_learner, base: linear, linear: {l2: 9.0}},"
        " {name: b, learner: x_learner, linear: {l2: 9.0}}]"
    )
    assert named["a"].options.linear == LinearSettings(l2=9.0)
    assert named["b"].options.linear is None


def test_a_linear_base_is_refused_where_it_has_no_use() -> None:
    with pytest.raises(ConfigError, match="'a' has `base: linear`, which s_learner cannot use"):
        plans("[{name: a, learner: s_learner, base: linear}]")
