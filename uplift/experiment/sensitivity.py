"""How strong would a cause that nobody wrote down have to be to explain an effect away?

Adjusting is right only if the features hold every common cause of arm and outcome. That cannot
be tested; but one can say how much hidden confounding an answer survives.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from uplift.arms import CONTROL
from uplift.errors import ContractError
from uplift.experiment.adjusted import AdjustedEffect, clustered_error
from uplift.experiment.observed import Integers, Matrix, ObservedLog, Rows, Vector
from uplift.experiment.propensity import clip_to_floor
from uplift.experiment.weighting import Target

LARGEST_GAMMA = 50.0


class Ratio(NamedTuple):
    """A ratio of risks with the limits of its interval."""

    value: float
    low: float
    high: float


class MarginalBounds(NamedTuple):
    """The least and the greatest effect that hidden confounding allows, and an interval of both."""

    low: float
    high: float
    interval_low: float
    interval_high: float


@dataclass(frozen=True, eq=False)
class _Side:
    """One arm's units, best outcome first: a unit weighs ``fixed + z * free``."""

    outcome: Vector
    fixed: Vector
    free: Vector
    place: Integers


def e_value(ratio: float) -> float:
    """Least strength, as a risk ratio with arm and with outcome, that explains a ratio away.

    VanderWeele & Ding, "Sensitivity analysis in observational research: introducing the E-value"
    (Annals of Internal Medicine 167, 2017): RR + sqrt(RR (RR - 1)), of 1 / RR where RR < 1.

    Examples:
        >>> round(e_value(3.9), 2), e_value(1.0), round(e_value(1 / 3.9), 2)
        (7.26, 1.0, 7.26)
    """
    if not ratio > 0.0:
        raise ContractError(
            f"a ratio of risks is {ratio}, which is no positive number; an E-value needs one. "
            "Give a difference to `ratio_of_difference` first."
        )
    above = ratio if ratio >= 1.0 else 1.0 / ratio
    return float(above + np.sqrt(above * (above - 1.0)))


def e_value_of_interval(ratio: Ratio) -> float:
    """The E-value of the limit next to 1; 1 where the interval holds 1 already."""
    if ratio.low <= 1.0 <= ratio.high:
        return 1.0
    return e_value(ratio.low if ratio.value > 1.0 else ratio.high)


def ratio_of_difference(effect: AdjustedEffect, spread: float) -> Ratio:
    """A difference in means as an approximate ratio of risks: exp(0.91 d).

    d is the difference in standard deviations of the outcome; the limits are
    exp(0.91 d -+ 1.78 se_d) (VanderWeele & Ding 2017, table 2, after Chinn 2000).

    Args:
        effect: In units of the outcome.
        spread: Standard deviation of the outcome within arms, in the same units.
    """
    d, error = effect.value / spread, effect.standard_error / spread
    low, high = 0.91 * d - 1.78 * error, 0.91 * d + 1.78 * error
    return Ratio(*(float(np.exp(part)) for part in (0.91 * d, low, high)))


def ratio_of_risks(effect: AdjustedEffect, risk_of_control: float, *, level: float = 0.95) -> Ratio:
    """A difference of shares as the ratio to control's share, which is taken as known.

    A limit that would need a negative share becomes the smallest positive number.
    """
    reach = _deviations(level) * effect.standard_error
    shares = (effect.value, effect.value - reach, effect.value + reach)
    least = np.finfo(np.float64).tiny
    return Ratio(*(float(max(1.0 + share / risk_of_control, least)) for share in shares))


def marginal_bounds(
    log: ObservedLog,
    propensities: Matrix,
    *,
    k: int,
    target: Target,
    floor: float,
    gamma: float,
    level: float = 0.95,
    among: Rows | None = None,
) -> MarginalBounds:
    """Bounds of the weighted effect if true odds of arm k are off by up to ``gamma``.

    The marginal sensitivity model of Zhao, Small & Bhattacharya, "Sensitivity analysis for inverse
    probability weighting estimators via the percentile bootstrap" (JRSS B 81, 2019): the odds
    given features *and* outcomes differ from those given features by a factor in
    [1 / gamma, gamma]. The extreme weighted mean is a linear fractional programme (their equation
    18), solved by one sort: the factor is gamma above some outcome and 1 / gamma below.

    The interval adds the clustered error of each bound at its extreme weights, where the paper
    bootstraps percentiles; first-order the same, since an optimum does not move with its weights.
    Propensities are taken as known.

    Args:
        log: The units.
        propensities: Shape (n, K+1).
        k: A treatment.
        target: ``ate`` or ``att``.
        floor: Of chances that are divided by.
        gamma: 1 or more; 1 gives the weighted effect itself.
        level: Of the interval.
        among: The units to look at; None: all.

    Raises:
        ContractError: The target is ``overlap``, whose population moves with the odds.
    """
    rows = np.ones(log.n, dtype=np.bool_) if among is None else among
    sides = tuple(_side(log, propensities, rows, one, k, target, floor) for one in (k, CONTROL))
    return _bounds(log, sides, gamma, level)


def smallest_gamma(
    log: ObservedLog,
    propensities: Matrix,
    *,
    k: int,
    target: Target,
    floor: float,
    level: float = 0.95,
    among: Rows | None = None,
) -> float:
    """The least ``gamma`` whose interval holds 0; arguments of ``marginal_bounds``.

    1 where no hidden cause is needed to doubt the effect, infinite above ``LARGEST_GAMMA``.
    """
    from scipy.optimize import brentq

    rows = np.ones(log.n, dtype=np.bool_) if among is None else among
    sides = tuple(_side(log, propensities, rows, one, k, target, floor) for one in (k, CONTROL))

    def distance(log_gamma: float) -> float:
        found = _bounds(log, sides, float(np.exp(log_gamma)), level)
        return max(found.interval_low, -found.interval_high)

    if distance(0.0) <= 0.0:
        return 1.0
    if distance(np.log(LARGEST_GAMMA)) > 0.0:
        return np.inf
    return float(np.exp(brentq(distance, 0.0, np.log(LARGEST_GAMMA), xtol=1e-4)))


def _side(
    log: ObservedLog,
    propensities: Matrix,
    rows: Rows,
    one: int,
    k: int,
    target: Target,
    floor: float,
) -> _Side:
    place = np.flatnonzero(rows & (log.arm == one))
    place = place[np.argsort(-log.outcome[place], kind="stable")]
    chances = propensities[place]
    if target == "ate":
        chance = clip_to_floor(chances, floor)[:, one]
        fixed, free = np.ones(place.size), (1.0 - chance) / chance
    elif target == "att" and one == CONTROL:
        fixed = np.zeros(place.size)
        free = chances[:, k] / np.maximum(chances[:, CONTROL], floor)
    elif target == "att":
        fixed, free = np.ones(place.size), np.zeros(place.size)
    else:
        raise ContractError(
            f"the target is {target!r}, whose {int(rows.sum())} units weigh by chances that "
            "hidden causes change. Set `experiment.observational.target` to att or ate."
        )
    return _Side(log.outcome[place], fixed, free, place)


def _bounds(
    log: ObservedLog, sides: tuple[_Side, ...], gamma: float, level: float
) -> MarginalBounds:
    treated, control = sides
    reach = _deviations(level)
    found = []
    for sign in (-1, 1):
        mean, influence = _extreme(treated, gamma, largest=sign > 0)
        mean_of_control, part = _extreme(control, gamma, largest=sign < 0)
        place = np.concatenate([treated.place, control.place])
        error = clustered_error(np.concatenate([influence, -part]), log.cluster[place])
        bound = mean - mean_of_control
        found.append((bound, bound + sign * reach * error))
    return MarginalBounds(found[0][0], found[1][0], found[0][1], found[1][1])


def _extreme(side: _Side, gamma: float, *, largest: bool) -> tuple[float, Vector]:
    """The extreme weighted mean, and what each unit adds to its error."""
    first, rest = (gamma, 1.0 / gamma) if largest else (1.0 / gamma, gamma)
    high, low = side.fixed + first * side.free, side.fixed + rest * side.free
    top = np.concatenate([[0.0], np.cumsum(high * side.outcome)])
    bottom = np.concatenate([np.cumsum((low * side.outcome)[::-1])[::-1], [0.0]])
    weight = np.concatenate([[0.0], np.cumsum(high)])
    weight += np.concatenate([np.cumsum(low[::-1])[::-1], [0.0]])
    means = (top + bottom) / weight
    cut = int(np.argmax(means) if largest else np.argmin(means))
    chosen = np.where(np.arange(side.outcome.size) < cut, high, low)
    mean = float(means[cut])
    return mean, chosen * (side.outcome - mean) / float(chosen.sum())


def _deviations(level: float) -> float:
    return float(ndtri(0.5 + level / 2.0))
