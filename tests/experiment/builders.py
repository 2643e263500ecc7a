"""A report whose names are hostile, with something to show in every part of the page."""

import numpy as np

from tests.experiment.checks.builders import LIMITS
from uplift.arms import Arms
from uplift.experiment.checks.draws import Draws
from uplift.experiment.checks.exposure import PROPENSITY_BINS, PropensitySums
from uplift.experiment.clusters import cluster_sums
from uplift.experiment.counts import arm_counts
from uplift.experiment.report import Evidence, ExperimentReport, check_experiment

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
