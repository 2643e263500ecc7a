"""Can this experiment carry a causal claim? Each check in plain words, and one verdict."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from uplift.arms import Arms
from uplift.config import ExperimentChecks
from uplift.experiment.counts import (
    ArmCounts,
    Counts,
    Vector,
    chance_imbalance,
    difference_in_means,
    sample_ratio_mismatch,
    standardized_mean_difference,
)

Verdict = Literal["pass", "warn", "fail"]

_WORSE_LAST: tuple[Verdict, ...] = ("pass", "warn", "fail")
_SAME_PROPENSITY = 1e-9  # logged propensities of one arm that differ by less are the same


@dataclass(frozen=True)
class Draws:
    """What was drawn, and with what logged chance.

    Attributes:
        n: Randomisation units per arm, each counted in the arm it was in first, shape (K+1,).
        n_in_two_arms: Randomisation units that were seen in more than one arm.
        n_assignments: Assignments per arm, shape (K+1,).
        n_without_propensity: Assignments per arm without a logged chance, shape (K+1,).
        lowest_propensity: Lowest logged chance per arm, NaN where none is logged, shape (K+1,).
        highest_propensity: Highest, likewise.
        n_after_last_event: Assignments later than all events; None where the log has no times.
    """

    n: Counts
    n_in_two_arms: int
    n_assignments: Counts
    n_without_propensity: Counts
    lowest_propensity: Vector
    highest_propensity: Vector
    n_after_last_event: int | None = None


@dataclass(frozen=True)
class Check:
    """One question with its answer: the value found, where doubt begins, and what it means."""

    name: str
    verdict: Verdict
    value: float
    threshold: float
    message: str


@dataclass(frozen=True)
class ArmEffect:
    """Average effect of one treatment on one outcome, as a plain difference in means."""

    outcome: str
    arm: str
    mean: float
    mean_of_control: float
    difference: float
    standard_error: float


@dataclass(frozen=True)
class ExperimentReport:
    """The verdict and what it rests on."""

    arms: Arms
    n_units: tuple[int, ...]
    checks: tuple[Check, ...]
    effects: tuple[ArmEffect, ...]
    overridden_by: str | None

    @property
    def verdict(self) -> Verdict:
        """The worst of the checks."""
        return max((check.verdict for check in self.checks), key=_WORSE_LAST.index)

    @property
    def is_refused(self) -> bool:
        """Failed, and nobody has taken the responsibility."""
        return self.verdict == "fail" and self.overridden_by is None

    def complaints(self, verdict: Verdict) -> list[str]:
        """What the checks of this verdict say."""
        return [check.message for check in self.checks if check.verdict == verdict]

    def to_document(self) -> dict[str, object]:
        """For JSON; numbers keep nine digits, which no order of summation changes."""
        return {
            "verdict": self.verdict,
            "overridden_by": self.overridden_by,
            "arms": [
                {"arm": name, "number": number, "n_units": n}
                for number, (name, n) in enumerate(zip(self.arms.names, self.n_units, strict=True))
            ],
            "checks": [_document(check) for check in self.checks],
            "effects": [_document(effect) for effect in self.effects],
        }


def check_experiment(
    arms: Arms,
    covariates: ArmCounts,
    draws: Draws,
    *,
    shares: Vector | None,
    limits: ExperimentChecks,
    outcomes: ArmCounts | None = None,
) -> ExperimentReport:
    """Judge an experiment by its counts.

    Args:
        arms: The K+1 arms.
        covariates: What was known of the units before they were drawn.
        draws: How they were drawn.
        shares: Designed share of each arm, shape (K+1,). None: the logged propensity of the arm
            where each arm has one, else equal shares.
        limits: Where doubt and refusal begin.
        outcomes: What happened to the units; gives the arm effects.
    """
    planned, origin = _planned_shares(shares, draws)
    return ExperimentReport(
        arms=arms,
        n_units=tuple(covariates.n.tolist()),
        checks=(
            _sample_ratio(draws, planned, origin, limits),
            _imbalance(arms, covariates, limits),
            _one_arm_each(draws, limits),
            _logged_propensities(draws),
            _propensity_floor(arms, draws, planned, limits),
            *_in_time(draws),
        ),
        effects=() if outcomes is None else tuple(_effects(arms, outcomes)),
        overridden_by=limits.override_failed_verdict_by,
    )


def _planned_shares(shares: Vector | None, draws: Draws) -> tuple[Vector, str]:
    if shares is not None:
        return shares / shares.sum(), "planned"
    is_constant = draws.highest_propensity - draws.lowest_propensity <= _SAME_PROPENSITY
    if np.all(is_constant) and not draws.n_without_propensity.any():
        return draws.lowest_propensity / draws.lowest_propensity.sum(), "logged"
    return np.full(draws.n.size, 1.0 / draws.n.size), "equal"


def _sample_ratio(draws: Draws, shares: Vector, origin: str, limits: ExperimentChecks) -> Check:
    p_value = sample_ratio_mismatch(draws.n, shares).p_value
    sizes = ", ".join(f"{n:,}" for n in draws.n)
    expected = ", ".join(f"{n:,.0f}" for n in draws.n.sum() * shares)
    return Check(
        "sample_ratio",
        _verdict(
            p_value < limits.sample_ratio_p_value_warn, p_value < limits.sample_ratio_p_value_fail
        ),
        p_value,
        limits.sample_ratio_p_value_warn,
        f"the arms hold {sizes} randomisation units where {origin} shares make {expected}: chance "
        f"is that far off in {p_value:.2g} of experiments",
    )


def _imbalance(arms: Arms, covariates: ArmCounts, limits: ExperimentChecks) -> Check:
    """Small arms differ by chance, so the threshold is never below what chance would reach."""
    name = "imbalance"
    if not covariates.columns:
        return Check(name, "warn", 0.0, limits.imbalance_warn, "no feature to compare the arms by")
    difference = np.abs(standardized_mean_difference(covariates))
    by_chance = chance_imbalance(covariates, limits.sample_ratio_p_value_warn)
    by_bad_luck = chance_imbalance(covariates, limits.sample_ratio_p_value_fail)
    warn = np.maximum(limits.imbalance_warn, by_chance)[:, None]
    fail = np.maximum(limits.imbalance_fail, by_bad_luck)[:, None]
    k, column = np.unravel_index(int(np.argmax(difference / warn)), difference.shape)
    return Check(
        name,
        _verdict(bool(np.any(difference > warn)), bool(np.any(difference > fail))),
        float(difference[k, column]),
        float(warn[k, 0]),
        f"of {len(covariates.columns)} features `{covariates.columns[column]}` differs most: arm "
        f"{arms.treatments[k]!r} lies {difference[k, column]:.3g} standard deviations from control",
    )


def _one_arm_each(draws: Draws, limits: ExperimentChecks) -> Check:
    n_drawn = int(draws.n.sum())
    share = draws.n_in_two_arms / n_drawn
    return Check(
        "one_arm_each",
        _verdict(draws.n_in_two_arms > 0, share > limits.two_arms_fail),
        share,
        limits.two_arms_fail,
        f"{draws.n_in_two_arms:,} of {n_drawn:,} randomisation units were seen in two arms",
    )


def _logged_propensities(draws: Draws) -> Check:
    """All or none: where only some are logged, the others were perhaps drawn otherwise."""
    n, n_missing = int(draws.n_assignments.sum()), int(draws.n_without_propensity.sum())
    stand_in = "; the planned share of the arm stands in" if n_missing else ""
    return Check(
        "logged_propensities",
        _verdict(0 < n_missing < n, False),
        n_missing / n,
        0.0,
        f"{n_missing:,} of {n:,} assignments have no logged propensity{stand_in}",
    )


def _propensity_floor(arms: Arms, draws: Draws, shares: Vector, limits: ExperimentChecks) -> Check:
    stand_in = np.where(draws.n_without_propensity > 0, shares, np.inf)
    lowest = np.fmin(draws.lowest_propensity, stand_in)
    k = int(np.argmin(lowest))
    return Check(
        "propensity_floor",
        _verdict(False, bool(lowest[k] < limits.propensity_floor)),
        float(lowest[k]),
        limits.propensity_floor,
        f"the lowest propensity is {lowest[k]:.4g}, in arm {arms.names[k]!r}",
    )


def _in_time(draws: Draws) -> Iterable[Check]:
    if draws.n_after_last_event is None:
        return
    n = int(draws.n_assignments.sum())
    yield Check(
        "assigned_in_time",
        _verdict(draws.n_after_last_event > 0, False),
        draws.n_after_last_event / n,
        0.0,
        f"{draws.n_after_last_event:,} of {n:,} assignments are later than the last event, so "
        "their outcome is unknown",
    )


def _effects(arms: Arms, outcomes: ArmCounts) -> Iterable[ArmEffect]:
    difference, error = difference_in_means(outcomes)
    mean = outcomes.mean
    for c, outcome in enumerate(outcomes.columns):
        for k, arm in enumerate(arms.treatments):
            yield ArmEffect(
                outcome=outcome,
                arm=arm,
                mean=float(mean[k + 1, c]),
                mean_of_control=float(mean[0, c]),
                difference=float(difference[k, c]),
                standard_error=float(error[k, c]),
            )


def _verdict(doubtful: bool, refused: bool) -> Verdict:
    if refused:
        return "fail"
    return "warn" if doubtful else "pass"


def _document(part: Check | ArmEffect) -> dict[str, object]:
    """A number that JSON does not know, such as an infinite difference, becomes null."""
    return {
        key: _number(value) if isinstance(value, float) else value
        for key, value in vars(part).items()
    }


def _number(value: float) -> float | None:
    return float(f"{value:.9g}") if np.isfinite(value) else None
