"""Were the arms alike before the experiment? Feature by feature, and all of them together."""

from collections.abc import Sequence

import numpy as np

from uplift.arms import Arms
from uplift.config import ExperimentChecks
from uplift.experiment.checks.base import Check, grade, of_experiments
from uplift.experiment.counts import ArmCounts, chance_imbalance, standardized_mean_difference
from uplift.experiment.observational import ObservationalReport
from uplift.experiment.two_sample import TwoSampleTest

_MOST_NAMED = 3


def imbalance(arms: Arms, covariates: ArmCounts, limits: ExperimentChecks) -> Check:
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
        grade(bool(np.any(difference > warn)), bool(np.any(difference > fail))),
        float(difference[k, column]),
        float(warn[k, 0]),
        f"of {len(covariates.columns)} features `{covariates.columns[column]}` differs most: arm "
        f"{arms.treatments[k]!r} lies {difference[k, column]:.3g} standard deviations from control",
    )


def two_sample(
    arms: Arms, tests: Sequence[TwoSampleTest], *, same_chances: bool, limits: ExperimentChecks
) -> Check:
    """The treatment that a model tells best from control; p-values times the number of treatments.

    Where chances differed between units by design, features may tell the arms apart by design.
    """
    if not same_chances:
        return Check(
            "two_sample",
            "warn",
            0.5,
            limits.two_sample_auc_fail,
            "not asked: the logged propensities differ between units of one arm, so features may "
            "tell the arms apart by design",
        )
    p_values = np.minimum(1.0, np.array([test.p_value for test in tests]) * len(tests))
    auc = np.array([test.auc for test in tests])
    refused = (p_values < limits.two_sample_p_value_fail) & (auc >= limits.two_sample_auc_fail)
    k = int(np.lexsort((-auc, p_values, ~refused))[0])
    named = ", ".join(f"`{name}`" for name in tests[k].telling[:_MOST_NAMED])
    return Check(
        "two_sample",
        grade(bool(p_values[k] < limits.two_sample_p_value_warn), bool(refused.any())),
        float(p_values[k]),
        limits.two_sample_p_value_warn,
        f"a model tells {arms.treatments[k]!r} from control with AUC {auc[k]:.3f} on "
        f"{tests[k].n_held_out:,} held-out units (0.5 is a coin): chance does so in "
        f"{of_experiments(p_values[k])}{f'; it goes by {named}' if named else ''}",
    )


def adjusted_balance(study: ObservationalReport, limits: ExperimentChecks) -> Check:
    """What weights leave of the differences between arms that nobody drew by chance."""
    before, after = study.largest_imbalance
    n_trimmed, n = int(study.trimming.n_trimmed.sum()), int(study.overlap.n.sum())
    return Check(
        "adjusted_balance",
        grade(True, after > limits.imbalance_fail),
        after,
        limits.imbalance_warn,
        f"the largest difference between arms, {before:.3g} standard deviations, is {after:.3g} "
        f"once units are weighted and {n_trimmed:,} of {n:,} are left out for want of overlap; "
        "what no feature holds stays as uneven as it was",
    )
