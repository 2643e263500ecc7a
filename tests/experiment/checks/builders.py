"""An experiment without any blemish, and every way to give it one."""

from dataclasses import replace
from typing import Any

import numpy as np

from tests.conftest import ROOT
from uplift.arms import Arms
from uplift.config import load_config
from uplift.experiment.checks.base import Check
from uplift.experiment.checks.draws import Draws
from uplift.experiment.checks.exposure import PROPENSITY_BINS, PropensitySums
from uplift.experiment.clusters import ClusterSums, cluster_sums
from uplift.experiment.counts import ArmCounts, Vector, arm_counts
from uplift.experiment.report import Evidence, ExperimentReport, check_experiment

ARMS = Arms(("no_coupon", "coupon_5"))
LIMITS = load_config(
    [ROOT / "conf/base.yaml"], ["inputs.flat_log={path: x, format: csv, arm: a, conversion: c}"]
).experiment.model_copy(update={"propensity_floor": 0.05})


def draws(n: tuple[int, int] = (5000, 5000), **changes: Any) -> Draws:
    """Draws without any blemish: every chance logged, as one half."""
    half = np.full(2, 0.5)
    sound = Draws(
        n=np.array(n),
        n_in_two_arms=0,
        n_assignments=np.array(n),
        n_without_propensity=np.zeros(2, dtype=np.int64),
        lowest_propensity=half,
        highest_propensity=half,
    )
    return replace(sound, **changes)


def covariates(n_shifted: int = 0, n: int = 5000) -> ArmCounts:
    """A 0/1 feature, half ones in both arms, but for some more ones in arm 1."""
    member = np.tile([0.0, 1.0], n)
    member[n:][::2][:n_shifted] = 1.0
    return arm_counts(np.repeat([0, 1], n), {"member": member}, n_arms=2)


def evidence(**changes: Any) -> Evidence:
    """The least evidence: features and draws."""
    return replace(Evidence(arms=ARMS, covariates=covariates(), draws=draws()), **changes)


def report(
    shares: Vector | None = None, limits: dict[str, Any] | None = None, **changes: Any
) -> ExperimentReport:
    """The report on that evidence."""
    return check_experiment(
        evidence(**changes),
        shares=shares,
        limits=LIMITS.model_copy(update=limits or {}),
        experiment_id="test",
    )


def check(name: str, **given: Any) -> Check:
    """One check of that report."""
    return next(check for check in report(**given).checks if check.name == name)


def unit_sums(arm: list[int], **outcomes: list[float]) -> ClusterSums:
    """Outcomes of units that were drawn one by one."""
    return cluster_sums(arm, [str(i) for i in range(len(arm))], outcomes, n_arms=2)


HOSTILE_ARM = "<script>alert('arm')</script>"
HOSTILE_FEATURE = '"><img src=x onerror=alert(1)> $\\frac{a'
REASON = "Jane <b>Doe</b>: a gap"


def hostile_report() -> ExperimentReport:
    """Three arms, a failed check that is overridden, uneven chances, two outcomes."""
    n = 300
    arm = np.arange(n) % 3
    size = np.full(3, n // 3)
    drawn = Draws(
        n=np.array([140, 100, 60]),
        n_in_two_arms=0,
        n_assignments=size,
        n_without_propensity=np.zeros(3, dtype=np.int64),
        lowest_propensity=np.full(3, 0.2),
        highest_propensity=np.full(3, 0.4),
    )
    in_bin = np.zeros((3, PROPENSITY_BINS), dtype=np.int64)
    in_bin[:, [4, 8]] = 50
    conversion = (np.arange(n) % 5 == 0).astype(float)
    outcomes = {"conversion": conversion, "revenue": 20.0 * conversion}
    evidence = Evidence(
        arms=Arms(("control", HOSTILE_ARM, "coupon & more")),
        covariates=arm_counts(arm, {HOSTILE_FEATURE: np.arange(n) % 7}, n_arms=3),
        draws=drawn,
        propensities=PropensitySums(size, np.full(3, 375.0), np.full(3, 1562.5), in_bin),
        outcomes=arm_counts(arm, outcomes, n_arms=3),
        effects=cluster_sums(arm, [str(i) for i in range(n)], outcomes, n_arms=3),
    )
    limits = LIMITS.model_copy(update={"overrides": {"sample_ratio": REASON}})
    return check_experiment(evidence, shares=None, limits=limits, experiment_id="<i>spring</i>")
