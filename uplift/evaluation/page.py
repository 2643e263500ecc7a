"""The evaluation as one page that a person reads in five minutes: the verdict of the gate first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from uplift.evaluation import figures, report
from uplift.evaluation import judgement as judged
from uplift.evaluation.calibration import Calibration
from uplift.evaluation.gates import GroupEffects, sorted_group_effects
from uplift.evaluation.metrics import ate, autoc
from uplift.evaluation.policy_value import best_constant, dr_value, hajek_value
from uplift.evaluation.proof import RankingProof
from uplift.evaluation.spread import Spread, spread_of
from uplift.evaluation.stability import Stability
from uplift.evaluation.story import Story
from uplift.evaluation.two_rankings import TwoRankings, compare_rankings, share_kept
from uplift.evaluation.uncertainty import Estimate, from_replicates
from uplift.pages.html import environment


@dataclass(frozen=True)
class _Treatment:
    """One treatment, for the template."""

    name: str
    n_treated: int
    n_control: int
    ate: Estimate
    autoc: Estimate
    proof: RankingProof
    kept: Estimate | None
    two_rankings: TwoRankings | None
    calibration: Calibration
    groups: GroupEffects
    stability: Stability | None
    spread: Spread
    outcomes: Sequence[tuple[str, Spread]]
    added_figure: Markup
    calibration_figure: Markup | None
    groups_figure: Markup
    spread_figure: Markup


@dataclass(frozen=True)
class _Policy:
    """What a policy is worth, for the template; euro per 1,000 customers."""

    name: str
    value: Estimate
    dr: Estimate | None
    lead: Estimate | None  # of the challenger over it
    is_best_constant: bool
    treated: float


def render_evaluation(story: Story) -> str:
    """The page as HTML; the same story gives the same bytes."""
    pages = environment("uplift.evaluation")
    pages.filters.update(percent=_percent, per_thousand=_per_thousand, pp=_points, p=_p)
    return pages.get_template("evaluation.html").render(
        story=story,
        verdict=story.verdict,
        questions=groupby(story.verdict.answers, key=lambda answer: answer.question),
        treatments=list(_treatments(story)),
        policies=list(_policies(story)),
        leads=Markup(figures.leads_svg(story.evidence.leads, story.level)),
        definitions={**judged.DEFINITIONS, **report.DEFINITIONS},
    )


def _treatments(story: Story) -> Iterator[_Treatment]:
    level, outcomes = story.level, story.expected
    for k, (name, sums) in enumerate(zip(story.arms.treatments, story.rankings, strict=True), 1):
        rows = sums.rows.sum(axis=0)
        average = from_replicates(ate(sums, k), level=level)
        kept = from_replicates(share_kept(sums, k, story.share), level=level)
        calibration = story.evidence.calibrations[name]
        groups = sorted_group_effects(sums, k, level=level)
        spread = spread_of(story.effects[:, k - 1])
        beside = [(story.arms.names[arm], spread_of(outcomes[:, arm])) for arm in (0, k)]
        is_flat = not calibration.spread_predicted > 0.0
        yield _Treatment(
            name=name,
            n_treated=int(rows[k]),
            n_control=int(rows[0]),
            ate=average,
            autoc=from_replicates(autoc(sums, k), level=level),
            proof=story.evidence.proofs[name],
            kept=kept if average.low > 0.0 else None,
            two_rankings=None
            if story.by_response is None
            else compare_rankings(sums, story.by_response, k, share=story.share, level=level),
            calibration=calibration,
            groups=groups,
            stability=story.evidence.stability.get(name),
            spread=spread,
            outcomes=beside,
            added_figure=Markup(figures.added_svg(sums, story.by_response, k, level=level)),
            calibration_figure=None
            if is_flat
            else Markup(figures.calibration_svg(calibration, name=name)),
            groups_figure=Markup(figures.groups_svg(groups.effects, average.estimate, name=name)),
            spread_figure=Markup(figures.spread_svg(spread, dict(beside), name=name)),
        )


def _policies(story: Story) -> Iterator[_Policy]:
    sums, level = story.policies, story.level
    best = best_constant(sums)
    for name in sorted(sums.names, key=lambda name: -float(hajek_value(sums, name)[0])):
        decided = sums.decided[sums.index(name)]
        yield _Policy(
            name=name,
            value=from_replicates(1000.0 * hajek_value(sums, name), level=level),
            dr=None
            if sums.a is None
            else from_replicates(1000.0 * dr_value(sums, name), level=level),
            lead=_thousand(story.evidence.leads.get(name)),
            is_best_constant=name == best,
            treated=1.0 - float(decided[0] / decided.sum()),
        )


def _thousand(lead: Estimate | None) -> Estimate | None:
    if lead is None:
        return None
    scaled = (1000.0 * part for part in (lead.estimate, lead.low, lead.high, lead.standard_error))
    return Estimate(*scaled)


def _percent(value: float) -> str:
    """A share, in whole per cent.

    Examples:
        >>> _percent(0.8149)
        '81 %'
    """
    return f"{100.0 * value:.0f} %"


def _p(value: float) -> str:
    """A p-value, to two digits.

    Examples:
        >>> _p(0.0123), _p(1e-9)
        ('0.012', '< 0.0001')
    """
    return f"{value:.2g}" if value >= 0.0001 else "< 0.0001"


def _per_thousand(found: Estimate) -> str:
    """An estimate with its interval, to a tenth, large ones to a whole.

    Examples:
        >>> _per_thousand(Estimate(12.34, 10.0, 15.0, 1.0))
        '12.3 (10.0 to 15.0)'
        >>> _per_thousand(Estimate(1234.5, -10.0, 2500.0, 1.0))
        '1,234 (-10 to 2,500)'
    """
    digits = 0 if abs(found.high - found.low) >= 100.0 else 1
    parts = (f"{part:,.{digits}f}" for part in (found.estimate, found.low, found.high))
    return "{} ({} to {})".format(*parts)


def _points(found: Estimate) -> str:
    """An effect on a chance with its interval, in percentage points.

    Examples:
        >>> _points(Estimate(0.0766, 0.07, 0.0833, 0.003))
        '+7.66 (+7.00 to +8.33)'
    """
    return f"{100 * found.estimate:+.2f} ({100 * found.low:+.2f} to {100 * found.high:+.2f})"
