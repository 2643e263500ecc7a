"""All that is asked of a night, from small tables of counts to verdicts."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from uplift.config import Monitoring
from uplift.experiment.checks.base import WORSE_LAST, Check, Verdict, grade
from uplift.monitoring.holdout import GroupSums, PolicyEffect, holdout_p_value
from uplift.monitoring.migration import Migration
from uplift.monitoring.stability import Counts, missing_share, stability_index


@dataclass(frozen=True, eq=False)
class Drift:
    """Rows per bin of several columns, at training and tonight; each of shape (d, bins)."""

    names: tuple[str, ...]
    expected: Counts
    found: Counts


@dataclass(frozen=True, eq=False)
class Observed:
    """What a night is judged by.

    Attributes:
        features: Of everybody tonight against the training rows.
        scores: Expected conversion per arm and effects, in the same way.
        migration: From last night's segments to tonight's; None at the first night.
        holdout: Control conversion of those never targeted, among whom may be contacted.
        others: The same of all others.
        effect: What targeting changed lately; None where no log of events tells.
    """

    features: Drift
    scores: Drift
    migration: Migration | None
    holdout: GroupSums
    others: GroupSums
    effect: PolicyEffect | None = None


@dataclass(frozen=True)
class NightReport:
    """The checks and the numbers behind them."""

    checks: tuple[Check, ...]
    stability: Mapping[str, float]
    missing: Mapping[str, float]
    migration: Mapping[str, Mapping[str, int]] | None
    holdout_mean: float | None
    others_mean: float | None
    effect: PolicyEffect | None

    @property
    def verdict(self) -> Verdict:
        """The worst, an overridden failure counting as doubt."""
        return max((check.counts_as for check in self.checks), key=WORSE_LAST.index)

    def to_document(self) -> dict[str, object]:
        """As it stands in reports/monitoring.json."""
        return {
            "verdict": self.verdict,
            "checks": [
                {
                    "name": check.name,
                    "verdict": check.verdict,
                    "value": check.value,
                    "threshold": check.threshold,
                    "message": check.message,
                    "overridden_by": check.overridden_by,
                }
                for check in self.checks
            ],
            "stability": dict(self.stability),
            "missing": dict(self.missing),
            "migration": self.migration,
            "holdout": {"mean_score": self.holdout_mean, "mean_score_others": self.others_mean},
            "policy_effect": None if self.effect is None else _effect_document(self.effect),
        }


def judge_night(observed: Observed, limits: Monitoring) -> NightReport:
    """Ask every question; a failure that somebody answers for by name stays on record."""
    checks = [
        _stability("feature_stability", observed.features, limits),
        _stability("score_stability", observed.scores, limits),
        _missing(observed.features, limits),
        _scored(observed.scores),
        _holdout(observed, limits),
    ]
    if observed.migration is not None:
        checks += _since_last_night(observed.migration, limits)
    drifts = (observed.features, observed.scores)
    missing = missing_share(observed.features.found).tolist()
    return NightReport(
        checks=tuple(check.override(limits.override_failed_verdict_by) for check in checks),
        stability={name: value for drift in drifts for name, value in _indices(drift)},
        missing=dict(zip(observed.features.names, missing, strict=True)),
        migration=None if observed.migration is None else observed.migration.to_document(),
        holdout_mean=_known(observed.holdout.mean),
        others_mean=_known(observed.others.mean),
        effect=observed.effect,
    )


def _indices(drift: Drift) -> Iterator[tuple[str, float]]:
    return zip(drift.names, stability_index(drift.expected, drift.found).tolist(), strict=True)


def _stability(name: str, drift: Drift, limits: Monitoring) -> Check:
    indices = dict(_indices(drift))
    worst = max(indices, key=lambda key: indices[key])
    far = _above(indices, limits.psi_warn)
    return Check(
        name,
        grade(indices[worst] > limits.psi_warn, indices[worst] > limits.psi_fail),
        indices[worst],
        limits.psi_warn,
        f"`{worst}` has a population stability index of {indices[worst]:.3f} against training; "
        f"{len(far)} of {len(indices)} are above {limits.psi_warn:g}{_listed(far)}",
    )


def _missing(drift: Drift, limits: Monitoring) -> Check:
    more = missing_share(drift.found) - missing_share(drift.expected)
    by_name = dict(zip(drift.names, more.tolist(), strict=True))
    worst = max(by_name, key=lambda key: by_name[key])
    far = _above(by_name, limits.missing_warn)
    return Check(
        "missing_features",
        grade(by_name[worst] > limits.missing_warn, by_name[worst] > limits.missing_fail),
        by_name[worst],
        limits.missing_warn,
        f"`{worst}` is missing for {by_name[worst]:+.1%} of the customers, beside training; "
        f"{len(far)} of {len(by_name)} are above {limits.missing_warn:.0%}{_listed(far)}",
    )


def _scored(drift: Drift) -> Check:
    missing = int(drift.found[:, -1].max(initial=0))
    n = int(drift.found[0].sum())
    return Check(
        "unscored_customers",
        grade(doubtful=missing > 0, refused=missing > 0 or n == 0),
        float(missing),
        0.0,
        f"{missing:,} of {n:,} customers have a score that is no number",
    )


def _holdout(observed: Observed, limits: Monitoring) -> Check:
    p_value = holdout_p_value(observed.holdout, observed.others)
    return Check(
        "holdout_is_random",
        grade(p_value < limits.holdout_p_value_warn, p_value < limits.holdout_p_value_fail),
        p_value,
        limits.holdout_p_value_warn,
        f"the holdout's {observed.holdout.n:,} customers convert without coupon with a mean chance "
        f"of {observed.holdout.mean:.4f}, the {observed.others.n:,} others with "
        f"{observed.others.mean:.4f}; chance does that in {p_value:.2g} of nights",
    )


def _since_last_night(migration: Migration, limits: Monitoring) -> list[Check]:
    change = abs(migration.volume_change)
    moved = migration.moved_share
    shifts = {name: abs(shift) for name, shift in migration.share_shift.items()}
    segment = max(shifts, key=lambda key: shifts[key])
    return [
        Check(
            "volume",
            grade(change > limits.volume_warn, change > limits.volume_fail),
            change,
            limits.volume_warn,
            f"there are {migration.n_now:,} customers, last night there were "
            f"{migration.n_before:,}: {migration.volume_change:+.1%}",
        ),
        Check(
            "segment_migration",
            grade(moved > limits.migration_warn, moved > limits.migration_fail),
            moved,
            limits.migration_warn,
            f"{moved:.1%} of the customers of both nights changed their segment",
        ),
        Check(
            "segment_shares",
            grade(
                shifts[segment] > limits.segment_share_warn,
                shifts[segment] > limits.segment_share_fail,
            ),
            shifts[segment],
            limits.segment_share_warn,
            f"the share of `{segment}` moved by {100 * migration.share_shift[segment]:+.1f} points "
            "since last night",
        ),
    ]


def _above(values: Mapping[str, float], limit: float) -> list[str]:
    return sorted((key for key, value in values.items() if value > limit), key=values.__getitem__)[
        ::-1
    ]


def _listed(names: Sequence[str], most: int = 5) -> str:
    if not names:
        return ""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f": {', '.join(f'`{name}`' for name in names[:most])}{more}"


def _effect_document(effect: PolicyEffect) -> dict[str, object]:
    return {
        "window_days": effect.window_days,
        "estimate": _known(effect.estimate),
        "standard_error": _known(effect.standard_error),
        "holdout": {"customers": effect.holdout.n, "conversion": _known(effect.holdout.rate)},
        "others": {"customers": effect.others.n, "conversion": _known(effect.others.rate)},
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
