"""Average effects of arms that nobody drew by chance: weighted, and doubly robust."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from uplift.arms import CONTROL
from uplift.experiment.candidates import KINDS, Kind, Regressor, fit_regressor, one_thread
from uplift.experiment.observed import Integers, Matrix, ObservedLog, Rows, Vector
from uplift.experiment.weighting import Target, weights


class AdjustedEffect(NamedTuple):
    """An average effect in units of the outcome, with its standard error."""

    value: float
    standard_error: float


@dataclass(frozen=True, eq=False)
class ExpectedOutcomes:
    """Cross-fitted expected outcomes, shape (n, K+1), and the kind of model per arm."""

    values: Matrix
    kinds: tuple[Kind, ...]


def naive_effect(log: ObservedLog, *, k: int) -> AdjustedEffect:
    """Difference in means to control, cluster-robust: right only if chance gave the arms."""
    shares = np.tile(np.bincount(log.arm, minlength=log.n_arms) / log.n, (log.n, 1))
    return adjusted_effect(log, shares, k=k, target="ate", floor=0.0)


def adjusted_effect(
    log: ObservedLog,
    propensities: Matrix,
    *,
    k: int,
    target: Target,
    floor: float,
    expected: Matrix | None = None,
    among: Rows | None = None,
) -> AdjustedEffect:
    """Average effect of arm ``k`` against control on the target population.

    Without ``expected`` the weighted means are compared (Hajek: each divided by its own sum of
    weights). With it the weights correct what the expected outcomes miss, so that either of the
    two may be wrong: the augmented estimator of Robins, Rotnitzky & Zhao (JASA 89, 1994), for
    other targets Li & Li (2019), equation 7, and for the treated Mercatanti & Li (2014).

    The standard error adds the influence of each cluster. It takes the propensities as known:
    for ``ate`` that is too wide rather than too narrow (Hirano, Imbens & Ridder, Econometrica 71,
    2003), and with ``expected`` it is right to first order. Not valid with unmeasured causes.

    Args:
        log: The units.
        propensities: Shape (n, K+1), cross-fitted.
        k: A treatment.
        target: Whose average effect; see ``weights``.
        floor: Of chances that are divided by.
        expected: Cross-fitted expected outcomes, shape (n, K+1).
        among: The units to look at; None: all.
    """
    rows = np.ones(log.n, dtype=np.bool_) if among is None else among
    arm, outcome, chances = log.arm[rows], log.outcome[rows], propensities[rows]
    weight = weights(chances, arm, k=k, target=target, floor=floor)
    value, influence = 0.0, np.zeros(arm.size)
    residual = outcome
    if expected is not None:
        guessed = expected[rows]
        residual = outcome - guessed[np.arange(arm.size), arm]
        density = _density(chances, arm, k=k, target=target)
        mean, part = _weighted_mean(guessed[:, k] - guessed[:, CONTROL], density)
        value, influence = value + mean, influence + part
    for one, sign in ((k, 1.0), (CONTROL, -1.0)):
        mean, part = _weighted_mean(residual, np.where(arm == one, weight, 0.0))
        value, influence = value + sign * mean, influence + sign * part
    return AdjustedEffect(value, clustered_error(influence, log.cluster[rows]))


def clustered_error(influence: Vector, cluster: Integers) -> float:
    """Standard error of an estimate from what each unit adds to it, summed by cluster.

    With the factor G / (G - 1) for G clusters; infinite for a single one.
    """
    _, place = np.unique(cluster, return_inverse=True)
    sums = np.bincount(place, influence)
    if sums.size < 2:
        return np.inf
    return float(np.sqrt(np.sum(sums**2) * sums.size / (sums.size - 1)))


def cross_fitted_outcomes(
    log: ObservedLog, *, seed: int, kinds: Sequence[Kind] = KINDS
) -> ExpectedOutcomes:
    """Each unit's expected outcome in every arm, by models that have not seen its fold.

    Per arm the candidate with the smaller squared error on its own held-out units. A guess never
    leaves the range of the arm's outcomes, where a curve run straight on might.
    """
    values = np.empty((log.n, log.n_arms))
    chosen: list[Kind] = []
    for k in range(log.n_arms):
        guesses = {kind: _outcomes_in(log, k, kind, seed=seed) for kind in kinds}
        in_arm = log.arm == k
        best = min(kinds, key=lambda kind: _squared_error(log, guesses[kind], in_arm))
        values[:, k] = guesses[best]
        chosen.append(best)
    return ExpectedOutcomes(values, tuple(chosen))


def _outcomes_in(log: ObservedLog, k: int, kind: Kind, *, seed: int) -> Vector:
    guess = np.empty(log.n)
    for one in np.unique(log.fold):
        rows, learn = log.fold == one, (log.fold != one) & (log.arm == k)
        model = fit_regressor(
            kind,
            log.features[learn],
            log.outcome[learn],
            categorical=log.categorical,
            seed=seed,
        )
        seen = log.outcome[learn]
        guess[rows] = np.clip(_predict(model, log.features[rows]), seen.min(), seen.max())
    return guess


def _predict(model: Regressor, features: Matrix) -> Vector:
    with one_thread():
        predicted: Vector = model.predict(features)
    return predicted


def _squared_error(log: ObservedLog, guess: Vector, rows: Rows) -> float:
    return float(np.mean((log.outcome[rows] - guess[rows]) ** 2))


def _density(propensities: Matrix, arm: Integers, *, k: int, target: Target) -> Vector:
    """How much each unit belongs to the target population, shape (n,)."""
    if target == "att":
        return np.asarray(arm == k, dtype=np.float64)
    if target == "overlap":
        return np.asarray(1.0 / (1.0 / propensities).sum(axis=1))
    return np.ones(arm.size)


def _weighted_mean(values: Vector, weight: Vector) -> tuple[float, Vector]:
    """The mean, and what each unit adds to its error."""
    total = float(weight.sum())
    mean = float(np.sum(weight * values)) / total
    return mean, weight * (values - mean) / total
