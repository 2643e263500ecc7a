"""Attempts to break an estimate: an arm that does nothing, a cause that means nothing, fewer rows.

After the refuters of Sharma & Kiciman, "DoWhy: an end-to-end library for causal inference" (2020).
Passing proves little, failing proves much: none of them can see a cause that nobody wrote down.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from uplift.arms import CONTROL
from uplift.errors import ExperimentError, OverlapError
from uplift.experiment.adjusted import AdjustedEffect
from uplift.experiment.observed import Integers, Matrix, ObservedLog, Vector

Estimate: TypeAlias = Callable[[ObservedLog], AdjustedEffect]

_STRATA = 10
_SUBSET = 0.8
_DOUBT = 3.0  # standard errors that chance hardly ever reaches


@dataclass(frozen=True)
class Refutation:
    """One attempt.

    Attributes:
        name: ``placebo``, ``random_cause`` or ``subset``.
        before: The estimate under attack.
        after: What it becomes; None where the changed log cannot be estimated from.
        limit: How far from what theory says ``after`` may lie, in units of the outcome.
        verdict: ``pass`` or ``warn``.
        message: What happened, in words.
    """

    name: str
    before: AdjustedEffect
    after: AdjustedEffect | None
    limit: float
    verdict: Literal["pass", "warn"]
    message: str


def refute(
    log: ObservedLog,
    estimate: Estimate,
    propensities: Matrix,
    *,
    seed: int,
    before: AdjustedEffect | None = None,
) -> tuple[Refutation, ...]:
    """All three attempts on one estimate.

    Args:
        log: The units.
        estimate: From a log to an effect, propensities and all; called once per attempt.
        propensities: Shape (n, K+1); the placebo keeps to their strata.
        seed: Of placebo, cause and subset.
        before: ``estimate(log)`` where it is known already.
    """
    known = estimate(log) if before is None else before
    return (
        placebo(log, estimate, propensities, seed=seed, before=known),
        random_cause(log, estimate, seed=seed, before=known),
        subset(log, estimate, seed=seed, before=known),
    )


def placebo(
    log: ObservedLog,
    estimate: Estimate,
    propensities: Matrix,
    *,
    seed: int,
    before: AdjustedEffect,
) -> Refutation:
    """Arms shuffled among clusters with like chances can have no effect: is none found?"""
    arm = shuffled_arms(log, propensities, np.random.default_rng(seed))
    after = _attempt(estimate, replace(log, arm=arm))
    limit = _DOUBT * after.standard_error if after else np.nan
    return _judge(
        "placebo",
        before,
        after,
        limit,
        0.0,
        "an arm that does nothing, given to units with the same chances as the real one",
    )


def random_cause(
    log: ObservedLog, estimate: Estimate, *, seed: int, before: AdjustedEffect
) -> Refutation:
    """A feature of pure noise must not move the estimate by a standard error."""
    noise = np.random.default_rng(seed).normal(size=(log.n, 1))
    after = _attempt(estimate, replace(log, features=np.hstack([log.features, noise])))
    return _judge(
        "random_cause",
        before,
        after,
        before.standard_error,
        before.value,
        "one more feature that is pure noise",
    )


def subset(
    log: ObservedLog, estimate: Estimate, *, seed: int, before: AdjustedEffect
) -> Refutation:
    """Four fifths of the clusters must tell about the same as all.

    The estimate from a share s of the clusters lies sqrt(1/s - 1) standard errors from that of
    all, half of one for s = 4/5. Models fitted anew add noise of their own, so the limit is two
    standard errors of the subset.
    """
    kept = np.random.default_rng(seed).random(int(log.cluster.max()) + 1) < _SUBSET
    after = _attempt(estimate, log.where(kept[log.cluster]))
    limit = 2.0 * after.standard_error if after else np.nan
    return _judge("subset", before, after, limit, before.value, "four fifths of the clusters")


def shuffled_arms(
    log: ObservedLog, propensities: Matrix, generator: np.random.Generator
) -> Integers:
    """Arms permuted within strata of the chance to be treated at all, whole clusters at a time.

    A cluster's arm is that of its first unit. Arm sizes in clusters stay as they are.
    """
    _, first, cluster = np.unique(log.cluster, return_index=True, return_inverse=True)
    chance = np.bincount(cluster, 1.0 - propensities[:, CONTROL]) / np.bincount(cluster)
    arm = log.arm[first]
    shuffled = arm.copy()
    for stratum in _strata(chance):
        shuffled[stratum] = generator.permutation(arm[stratum])
    return np.asarray(shuffled[cluster])


def _strata(chance: Vector) -> list[Integers]:
    """Cut at tenths of the clusters and at tenths of the treated expected, lowest chance first.

    The second cuts part those whose chances differ where treatment is rare.
    """
    order = np.argsort(chance, kind="stable")
    expected = np.cumsum(chance[order]) / chance.sum()
    inner = np.arange(1, _STRATA) / _STRATA
    cuts = np.concatenate([inner * chance.size, np.searchsorted(expected, inner)])
    return np.split(order, np.unique(cuts.astype(np.int64)))


def _attempt(estimate: Estimate, log: ObservedLog) -> AdjustedEffect | None:
    """None where the changed log has no arms, or no overlap, to estimate from."""
    try:
        return estimate(log)
    except (ExperimentError, OverlapError):
        return None


def _judge(
    name: str,
    before: AdjustedEffect,
    after: AdjustedEffect | None,
    limit: float,
    expected: float,
    change: str,
) -> Refutation:
    if after is None:
        message = f"with {change} too few units are left to estimate from"
        return Refutation(name, before, None, limit, "warn", message)
    holds = abs(after.value - expected) <= limit
    message = (
        f"with {change} the estimate {before.value:.4g} becomes {after.value:.4g}, "
        f"{'within' if holds else 'further than'} {limit:.3g} of {expected:.4g}"
    )
    return Refutation(name, before, after, limit, "pass" if holds else "warn", message)
