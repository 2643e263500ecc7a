"""Can this experiment carry a causal claim? All checks together, and one verdict."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from uplift.arms import Arms
from uplift.config import ExperimentChecks
from uplift.experiment.checks import exposure, features
from uplift.experiment.checks.base import WORSE_LAST, Check, Verdict
from uplift.experiment.checks.draws import Draws, draw_checks, planned_shares
from uplift.experiment.checks.exposure import Contamination, PropensitySums
from uplift.experiment.checks.log import EventCounts, event_checks
from uplift.experiment.checks.outcomes import (
    ArmEffect,
    arm_effects,
    missing_outcomes,
    placebo_effect,
    power,
)
from uplift.experiment.checks.words import CHECKS, require_known_checks
from uplift.experiment.clusters import ClusterSums
from uplift.experiment.counts import ArmCounts, Vector, standardized_mean_difference
from uplift.experiment.observational import ObservationalReport
from uplift.experiment.two_sample import TwoSampleTest

# What only a draw by chance makes alike; a study judges its log after adjusting instead.
_BY_DESIGN = dict.fromkeys(
    ("sample_ratio", "imbalance", "two_sample", "placebo_effect"),
    "nobody drew these arms by chance: `adjusted_balance` stands in",
)


@dataclass(frozen=True)
class Evidence:
    """What an experiment is judged by; a question whose sums are None is not asked.

    Attributes:
        arms: The K+1 arms.
        covariates: What was known of the units before they were drawn.
        draws: How they were drawn.
        two_sample: How well a model tells each treatment from control.
        propensities: The chances of the arms drawn.
        outcomes: What happened to the units; its missing values are counted.
        effects: The same outcomes by randomisation unit.
        before: The first outcome in the window before the assignment, by randomisation unit.
        events: How the events were logged.
        contamination: Units in other experiments.
        study: Of a log whose arms nobody drew by chance.
    """

    arms: Arms
    covariates: ArmCounts
    draws: Draws
    two_sample: tuple[TwoSampleTest, ...] = ()
    propensities: PropensitySums | None = None
    outcomes: ArmCounts | None = None
    effects: ClusterSums | None = None
    before: ClusterSums | None = None
    events: EventCounts | None = None
    contamination: Contamination | None = None
    study: ObservationalReport | None = None


@dataclass(frozen=True)
class Balance:
    """How far one arm lies from control in one feature, in standard deviations."""

    feature: str
    arm: str
    difference: float


@dataclass(frozen=True)
class ExperimentReport:
    """The verdict and what it rests on.

    Attributes:
        experiment_id: Which experiment.
        arms: The K+1 arms.
        n_units: Units per arm.
        planned: Share of each arm by design, or what stands in for it.
        checks: All that were asked.
        effects: Of the treatments on the outcomes.
        balance: Of the features.
        propensities: The chances of the arms drawn, where they were added up.
        overridden_by: Who takes the responsibility for whatever failed.
        study: What adjusting finds, where nobody drew the arms by chance.
    """

    experiment_id: str
    arms: Arms
    n_units: tuple[int, ...]
    planned: tuple[float, ...]
    checks: tuple[Check, ...]
    effects: tuple[ArmEffect, ...]
    balance: tuple[Balance, ...]
    propensities: PropensitySums | None
    overridden_by: str | None
    study: ObservationalReport | None = None

    @property
    def verdict(self) -> Verdict:
        """The worst of the checks; one that was overridden by name counts as a doubt."""
        return max((check.counts_as for check in self.checks), key=WORSE_LAST.index)

    @property
    def is_refused(self) -> bool:
        """Failed, and nobody has taken the responsibility."""
        return self.verdict == "fail" and self.overridden_by is None

    def complaints(self, verdict: Verdict) -> list[str]:
        """What the checks that count as this verdict say."""
        return [check.message for check in self.checks if check.counts_as == verdict]

    def to_document(self) -> dict[str, object]:
        """For JSON; numbers keep nine digits, which no order of summation changes."""
        return {
            "experiment_id": self.experiment_id,
            "verdict": self.verdict,
            "overridden_by": self.overridden_by,
            "arms": [
                {"arm": name, "number": number, "n_units": n, "planned_share": _number(share)}
                for number, (name, n, share) in enumerate(
                    zip(self.arms.names, self.n_units, self.planned, strict=True)
                )
            ],
            "checks": [_document(check) for check in self.checks],
            "effects": [_document(effect) for effect in self.effects],
            "balance": [_document(part) for part in self.balance],
            "observational": None if self.study is None else self.study.to_document(),
        }


def check_experiment(
    evidence: Evidence,
    *,
    shares: Vector | None,
    limits: ExperimentChecks,
    experiment_id: str = "",
) -> ExperimentReport:
    """Judge an experiment by its sums.

    Args:
        evidence: The sums.
        shares: Designed share of each arm, shape (K+1,). None: the logged propensity of the arm
            where each arm has one, else equal shares.
        limits: Where doubt and refusal begin, and who overrides what.
        experiment_id: For the reader.

    Raises:
        ConfigError: An override names a check that does not exist.
    """
    require_known_checks(limits.overrides)
    planned, origin = planned_shares(shares, evidence.draws)
    effects = () if evidence.effects is None else arm_effects(evidence.arms, evidence.effects)
    overrides = limits.overrides if evidence.study is None else _BY_DESIGN | limits.overrides
    found = {
        check.name: check.override(overrides.get(check.name))
        for check in _checks(evidence, effects, planned, origin, limits)
    }
    return ExperimentReport(
        experiment_id=experiment_id,
        arms=evidence.arms,
        n_units=tuple(evidence.covariates.n.tolist()),
        planned=tuple(planned.tolist()),
        checks=tuple(found[name] for name in CHECKS if name in found),
        effects=effects,
        balance=tuple(_balance(evidence.arms, evidence.covariates)),
        propensities=evidence.propensities,
        overridden_by=limits.override_failed_verdict_by,
        study=evidence.study,
    )


def _checks(
    evidence: Evidence,
    effects: tuple[ArmEffect, ...],
    planned: Vector,
    origin: str,
    limits: ExperimentChecks,
) -> Iterable[Check]:
    arms, draws = evidence.arms, evidence.draws
    yield from draw_checks(arms, draws, planned, origin, limits)
    yield features.imbalance(arms, evidence.covariates, limits)
    if evidence.two_sample:
        same_chances = draws.same_chances
        yield features.two_sample(
            arms, evidence.two_sample, same_chances=same_chances, limits=limits
        )
    if evidence.study is not None:
        yield features.adjusted_balance(evidence.study, limits)
    if evidence.propensities is not None:
        yield exposure.effective_sample_size(arms, evidence.propensities, limits)
    if evidence.contamination is not None:
        yield exposure.contamination(evidence.contamination, limits)
    if evidence.events is not None:
        yield from event_checks(evidence.events, limits)
    if evidence.outcomes is not None:
        yield missing_outcomes(evidence.outcomes, limits)
    if evidence.before is not None:
        placebo = placebo_effect(arms, evidence.before, limits)
        if placebo is not None:
            yield placebo
    if effects:
        yield power(effects, limits)


def _balance(arms: Arms, covariates: ArmCounts) -> Iterable[Balance]:
    difference = standardized_mean_difference(covariates)
    for c, feature in enumerate(covariates.columns):
        for k, arm in enumerate(arms.treatments):
            yield Balance(feature, arm, float(difference[k, c]))


def _document(part: Check | ArmEffect | Balance) -> Mapping[str, object]:
    """A number that JSON does not know, such as an infinite difference, becomes null."""
    return {
        key: _number(value) if isinstance(value, float) else value
        for key, value in vars(part).items()
    }


def _number(value: float) -> float | None:
    return float(f"{value:.9g}") if np.isfinite(value) else None
