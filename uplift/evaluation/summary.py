"""What a walk has found, on one screen: the reports of its jobs in words and numbers.

The views below name what the summary reads of each report; whatever else stands there is for
others.
"""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    """The part of a report that the summary reads."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Check(View):
    """One check of the experiment."""

    name: str
    verdict: str
    message: str


class CheckedExperiment(View):
    """One experiment."""

    experiment_id: str
    verdict: str
    checks: tuple[Check, ...]


class Experiment(View):
    """Report ``experiment``."""

    experiments: tuple[CheckedExperiment, ...]


class Interval(View):
    """An estimate; null where the data cannot say."""

    estimate: float | None
    low: float | None
    high: float | None


class JudgedTreatment(View):
    """How well the ranking for one treatment did on held-out rows."""

    ate: Interval
    autoc: Interval


class Evaluation(View):
    """Report ``evaluation``."""

    level: float
    treatments: dict[str, JudgedTreatment]


class Promotion(View):
    """Report ``promotion``."""

    promoted: bool
    reasons: tuple[str, ...]


class Allocation(View):
    """Report ``allocation``."""

    model_version: str
    budget_eur: float | None
    shadow_price: float
    expected_spend_eur: float
    expected_incremental_profit_eur: float
    expected_incremental_conversions: float
    calibrated_incremental_profit_eur: Interval | None = None
    customers: int
    arms: dict[str, int]
    segments: dict[str, int]


class Autoc(View):
    """The noiseless AUTOC of the model's ranking, and of the best there is."""

    model: float
    oracle: float


class TrueTreatment(View):
    """The truth about one treatment."""

    true_ate: float
    autoc: Autoc


class Effect(View):
    """Average effect in a segment."""

    predicted: float
    true: float


class TrueSegment(View):
    """The truth about one segment."""

    treatments: dict[str, Effect]


class Profit(View):
    """What a policy really earns."""

    profit_eur: float
    spend_eur: float


class Truth(View):
    """Report ``truth``, of a simulated campaign."""

    treatments: dict[str, TrueTreatment]
    segments: dict[str, TrueSegment]
    policies: dict[str, Profit]


def summarise(
    experiment: Experiment,
    evaluation: Evaluation,
    promotion: Promotion,
    allocation: Allocation,
    truth: Truth | None,
    *,
    arms: Sequence[str],
    segments: Sequence[str],
) -> str:
    """The summary as text, without a line end; the truth stands beside each number it can check.

    ``arms`` (control first) and ``segments`` give the order of the rows: documents have none.
    """
    lines = [
        *_experiment(experiment),
        *_model(evaluation, promotion, truth, arms[1:]),
        *_segments(allocation, truth, arms[1:], segments),
        *_budget(allocation, truth, arms),
    ]
    return "\n".join(lines)


def _experiment(report: Experiment) -> Iterator[str]:
    for one in report.experiments:
        yield f"Experiment    {one.experiment_id}: {one.verdict}, {len(one.checks)} checks"
        for check in one.checks:
            if check.verdict != "pass" or check.name in ("sample_ratio", "imbalance"):
                yield f"  {check.verdict:<5} {check.message}"


def _model(
    report: Evaluation, promotion: Promotion, truth: Truth | None, treatments: Sequence[str]
) -> Iterator[str]:
    chosen = "promoted to champion" if promotion.promoted else "not promoted"
    yield ""
    yield f"Model         {chosen}; on held-out customers, {100 * report.level:g} % intervals"
    yield from (f"  {reason}" for reason in promotion.reasons if not promotion.promoted)
    head = ["effect on conversion", *(["truth"] if truth else []), "ranking (AUTOC)"]
    yield _row("", *head, *(["truth", "best possible"] if truth else []))
    for name in treatments:
        measured = report.treatments[name]
        known = truth.treatments[name] if truth else None
        yield _row(
            name,
            _interval(measured.ate),
            *([_points(known.true_ate)] if known else []),
            _interval(measured.autoc),
            *([_points(known.autoc.model), _points(known.autoc.oracle)] if known else []),
        )


def _segments(
    report: Allocation, truth: Truth | None, treatments: Sequence[str], segments: Sequence[str]
) -> Iterator[str]:
    yield ""
    yield f"Segments      {report.customers:,} customers"
    known = truth.segments if truth else {}
    if known:
        yield _row("", "customers", *(f"{name}: predicted, true" for name in treatments))
    for segment in segments:
        size = report.segments[segment]
        effects = known[segment].treatments if segment in known else {}
        yield _row(
            segment,
            f"{size:>7,}  {size / max(report.customers, 1):5.1%}",
            *(
                f"{_points(effects[name].predicted)}, {_points(effects[name].true)}"
                for name in treatments
                if name in effects
            ),
        )


def _budget(report: Allocation, truth: Truth | None, arms: Sequence[str]) -> Iterator[str]:
    limit = "no limit" if report.budget_eur is None else f"{report.budget_eur:,.0f} euro"
    coupons = ", ".join(f"{report.arms[name]:,} {name}" for name in arms)
    expected = report.expected_incremental_profit_eur
    conversions = report.expected_incremental_conversions
    yield ""
    yield f"Budget        {limit}, expected spend {report.expected_spend_eur:,.0f} euro ({coupons})"
    yield f"  one more euro would earn {report.shadow_price:.2f}"
    label = "incremental profit, expected"
    yield f"  {label:<29} {expected:>9,.0f} euro, {conversions:,.0f} conversions"
    held_out = report.calibrated_incremental_profit_eur
    if held_out is not None and held_out.low is not None and held_out.high is not None:
        label = "as held-out customers say"
        span = f"{held_out.low:,.0f} to {held_out.high:,.0f}"
        yield f"  {label:<29} {held_out.estimate or 0.0:>9,.0f} euro ({span})"
    policies = truth.policies if truth else {}
    order = ["tonight", *(f"everybody:{name}" for name in arms), "oracle"]
    for name in order:
        if name in policies:
            label = _POLICY.get(name, name.replace("everybody:", "  everybody gets "))
            earned = policies[name]
            yield f"  {label:<29} {earned.profit_eur:>9,.0f} euro, spend {earned.spend_eur:,.0f}"


_POLICY: Mapping[str, str] = {
    "tonight": "tonight's coupons, really",
    "oracle": "who knew the truth",
}


def _row(label: str, *cells: str) -> str:
    return f"  {label:<13}" + "".join(f"{cell:<27}" for cell in cells).rstrip()


def _interval(value: Interval) -> str:
    if value.estimate is None or value.low is None or value.high is None:
        return "the data cannot say"
    return f"{_points(value.estimate)} ({100 * value.low:+.2f} to {100 * value.high:+.2f})"


def _points(effect: float) -> str:
    """An effect on a chance, in percentage points."""
    return f"{100 * effect:+.2f}"
