"""The section ``experiment``: when a log is doubted, and how one is read that nobody randomised."""

from typing import Annotated, Literal

from pydantic import Field

from uplift.config.section import Count, Positive, Section, Share


class Observational(Section):
    """How a log is read whose arms nobody drew by chance."""

    enabled: bool = False
    max_rows: Count = 200_000
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    target: Literal["att", "ate", "overlap"] = "att"
    trim: Literal["none", "floor", "crump"] = "floor"
    refute: bool = True
    seed: Annotated[int, Field(ge=0)] = 13


class ExperimentChecks(Section):
    """When to doubt the experiment (warn) and when to refuse it (fail)."""

    sample_ratio_p_value_warn: Share
    sample_ratio_p_value_fail: Share
    imbalance_warn: Positive
    imbalance_fail: Positive
    two_sample_p_value_warn: Share
    two_sample_p_value_fail: Annotated[float, Field(ge=1e-5, le=1.0)]  # permutations grow as 1/p
    two_sample_auc_fail: Share
    two_sample_max_rows: Annotated[int, Field(ge=100)]
    two_arms_fail: Share
    repeated_assignments_warn: Share
    propensity_floor: Share
    effective_share_warn: Share
    effective_share_fail: Share
    open_window_warn: Share
    open_window_fail: Share
    repeated_events_warn: Share
    late_event_days: Count
    late_events_warn: Share
    contamination_warn: Share
    missing_outcomes_warn: Share
    arms_differ_p_value_warn: Share
    arms_differ_p_value_fail: Share
    arms_differ_share_fail: Share
    smallest_effect_warn: Positive
    override_failed_verdict_by: str | None = None
    overrides: Annotated[
        dict[str, Annotated[str, Field(min_length=1)]], Field(default_factory=dict)
    ]
    observational: Observational = Observational()
