from dataclasses import replace

import numpy as np
import pytest

from tests.ensemble.builders import random_ensemble, strange_rows
from tests.learners.builders import constant_model
from uplift.columns import CONVERSION, REVENUE
from uplift.ensemble import FlatEnsemble, constant
from uplift.ensemble.flat import Link
from uplift.errors import ContractError
from uplift.learners.explanation import EffectExplainer
from uplift.learners.model import UpliftModel


def grown_model(link: Link) -> UpliftModel:
    """Three arms over two features, from random trees."""
    trees = random_ensemble(np.random.default_rng(4), n_features=2, n_outputs=3)
    return constant_model(ensembles={CONVERSION: replace(trees, link=link)})


@pytest.mark.parametrize("link", ["identity", "logistic", "clipped"])
def test_usual_effect_and_contributions_add_up_to_the_effect(link: Link) -> None:
    model, rows = grown_model(link), strange_rows(np.random.default_rng(5), 40, 2)
    found = EffectExplainer(model, rows).explain(rows)
    assert found.contributions.shape == (40, 2, 2)
    total = found.usual_effect + found.contributions.sum(axis=2)
    assert total == pytest.approx(model.cate(rows), abs=1e-9)


def test_without_a_link_an_arm_adds_its_shapley_values_and_control_takes_its_own_away() -> None:
    # one split per arm: control moves with age, treatment 1 with city, treatment 2 with neither
    model = constant_model(ensembles={CONVERSION: split_by_arm()})
    background = np.array([[0.0, 0.0], [1.0, 1.0]])
    found = EffectExplainer(model, background).explain(np.array([[1.0, 1.0]]))
    assert found.usual_effect.tolist() == pytest.approx([0.0, 0.25])
    assert found.contributions[0].tolist() == [[-0.125, 0.25], [-0.125, 0.0]]


def test_contributions_that_cancel_stay_as_small_as_they_are() -> None:
    """The sum of leaves does not move: the secant of the link would be nought over nought."""
    trees = split_by_arm()
    opposed = replace(trees, leaf_values=[[0.0], [0.5], [0.5], [0.0], [0.5], [0.5]], link="clipped")
    both_in_control = replace(opposed, first_output=[0, 0, 2])
    model = constant_model(ensembles={CONVERSION: both_in_control})
    background = np.array([[0.0, 0.0], [1.0, 1.0]])
    found = EffectExplainer(model, background).explain(np.array([[1.0, 1.0]]))
    assert found.contributions[0, 0].tolist() == pytest.approx([-0.25, 0.25])


def test_importance_is_the_average_size() -> None:
    model = constant_model(ensembles={CONVERSION: split_by_arm()})
    rows = np.array([[0.0, 0.0], [1.0, 1.0]])
    found = EffectExplainer(model, rows).explain(rows)
    assert found.importance().tolist() == [[0.125, 0.25], [0.125, 0.0]]


def test_a_constant_model_has_no_reasons() -> None:
    found = EffectExplainer(constant_model(), np.zeros((1, 2)), REVENUE).explain(np.ones((3, 2)))
    assert not found.contributions.any()
    assert found.usual_effect.tolist() == [1.0, 3.0]


def test_an_outcome_that_is_not_modelled_cannot_be_explained() -> None:
    model = constant_model(ensembles={CONVERSION: constant([0.1, 0.2, 0.3], n_features=2)})
    with pytest.raises(ContractError, match="'revenue' is not modelled"):
        EffectExplainer(model, np.zeros((1, 2)), REVENUE)


def split_by_arm() -> FlatEnsemble:
    """A tree per arm: left at most 0.5. Control splits by column 0, both others by column 1."""
    return FlatEnsemble.of(
        {
            "roots": [0, 1, 2],
            "first_output": [0, 1, 2],
            "feature": [0, 1, 1],
            "threshold": [0.5, 0.5, 0.5],
            "decision": [0, 0, 0],
            "left": [~0, ~2, ~4],
            "right": [~1, ~3, ~5],
            "set_start": [0],
            "set_words": [],
            "leaf_values": [[0.25], [0.5], [0.125], [0.625], [0.625], [0.625]],
        },
        n_features=2,
        n_outputs=3,
    )
