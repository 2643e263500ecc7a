"""Effects without a decision: what a coupon would change, what it is worth, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from serving.reasons import Degraded
from serving.service import DecisionService
from serving.values import Ask, Decision, Known, Matrix, UnknownCustomerError, Valuation
from uplift.columns import REVENUE
from uplift.errors import UpliftError
from uplift.learners.explanation import EffectExplainer
from uplift.policy.appraisal import appraise
from uplift.policy.types import type_shares


@dataclass(frozen=True)
class Score:
    """One customer's expectations.

    Attributes:
        segment: Response segment.
        expected_outcome: Chance of conversion by arm.
        uplift: Effect on it by treatment.
        values: What each coupon would be worth at the price of the budget, in the order of arms.
        type_bounds: Least and greatest chance that the customer is of each response type, given the
            chances with the best coupon and without: what an experiment can know of one customer.
        degraded: What did not work on the way.
    """

    segment: str
    expected_outcome: Mapping[str, float]
    uplift: Mapping[str, float]
    values: tuple[Valuation, ...]
    type_bounds: Mapping[str, tuple[float, float]]
    degraded: tuple[Degraded, ...]


@dataclass(frozen=True)
class Explanation:
    """Why the model expects the effects of one customer.

    Attributes:
        usual: Effect of each treatment that contributions start from.
        contributions: By treatment, what each feature adds to it, largest first.
    """

    usual: Mapping[str, float]
    contributions: Mapping[str, Mapping[str, float]]


def score_many(service: DecisionService, asks: Sequence[Ask]) -> list[Score | UpliftError]:
    """The expectations for each ask, or what forbids them."""
    met = [service.meet(ask) for ask in asks]
    known = [one for one in met if isinstance(one, Known)]
    scored = iter(_score(service, known) if known else [])
    return [next(scored) if isinstance(one, Known) else _error(one) for one in met]


def type_bounds(
    expected_outcome: Mapping[str, float], treatment: str
) -> dict[str, tuple[float, float]]:
    """Bounds on the chance of each response type; the first arm is control."""
    untreated = next(iter(expected_outcome.values()))
    shares = type_shares([expected_outcome[treatment]], [untreated])
    return {name: (float(b.low[0]), float(b.high[0])) for name, b in shares.items()}


def explain(service: DecisionService, explainer: EffectExplainer, features: Matrix) -> Explanation:
    """Shapley contributions to the effects of one customer, features of shape (1, d)."""
    treatments, names = service.policy.arms.treatments, service.model.encoder.names
    found = explainer.explain(features)
    return Explanation(
        usual=dict(zip(treatments, found.usual_effect.tolist(), strict=True)),
        contributions={
            treatment: {
                names[place]: float(parts[place])
                for place in np.argsort(-np.abs(parts), kind="stable")
            }
            for treatment, parts in zip(treatments, found.contributions[0], strict=True)
        },
    )


def _score(service: DecisionService, known: Sequence[Known]) -> list[Score]:
    model, policy = service.model, service.policy
    matrix = np.concatenate([one.features for one in known])
    conversion = model.expected_outcome(matrix)
    found = appraise(
        conversion,
        model.expected_outcome(matrix, REVENUE) if policy.value.basis == REVENUE else None,
        value=policy.value,
        sure_thing_conversion=policy.sure_thing_conversion,
        harm_tolerance=policy.harm_tolerance,
    )
    price, treatments = policy.shadow_price, policy.arms.treatments
    scores = []
    for i, one in enumerate(known):
        expected = dict(zip(policy.arms.names, conversion[i].tolist(), strict=True))
        control = next(iter(expected.values()))
        gain, cost = found.gain[i].tolist(), found.cost[i].tolist()
        values = tuple(
            Valuation(name, g, c, g - (1.0 + price) * c, price)
            for name, g, c in zip(treatments, gain, cost, strict=True)
        )
        best = max(values, key=lambda value: value.gain_eur - value.cost_eur)
        scores.append(
            Score(
                segment=str(found.segment[i]),
                expected_outcome=expected,
                uplift={name: expected[name] - control for name in treatments},
                values=values,
                type_bounds=type_bounds(expected, best.treatment),
                degraded=one.degraded,
            )
        )
    return scores


def _error(found: Decision | UpliftError) -> UpliftError:
    if isinstance(found, UpliftError):
        return found
    return UnknownCustomerError(
        "nothing is known of this customer now; give `contactable` and every feature of the model, "
        "null where one is not known."
    )
