"""An experiment without any blemish, and every way to give it one."""

from dataclasses import replace
from typing import Any

import numpy as np

from tests.conftest import ROOT
from uplift.arms import Arms
from uplift.config import load_config
from uplift.experiment.checks.base import Check
from uplift.experiment.checks.draws import Draws
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
