"""May the challenger serve? Five questions to rows that it has not seen, and the answers in words.

What a prudent statistician asks before somebody acts on differences between customers:

1. Does any treatment move the average? Where it does not, a difference between customers is what
   trials call a subgroup finding in a null trial: a hypothesis for the next experiment, no licence
   to act (fixed-sequence testing; EMA 2019, "Guideline on the investigation of subgroups in
   confirmatory clinical trials"). ``require_average_effect: false`` acts on it nevertheless.
2. Does the ranking beat chance? One p-value for all rows that some model had not seen
   (``uplift.evaluation.proof``), corrected for the number of treatments (Bonferroni). That several
   learners competed costs nothing, as each was chosen before the rows that test it.
3. Are predicted effects as large as measured ones? Refused if the data rule it out.
4. Would the other half of the log have taught the same? Two refits must agree.
5. Does the policy earn its keep? Not less than the champion or any constant policy, up to a stated
   tolerance.

All must hold: no answer makes up for another. So the chance to promote a ranking that knows
nothing is at most that of question 2, (1 - level) / 2.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from uplift.config import Gate
from uplift.evaluation.calibration import Calibration
from uplift.evaluation.proof import RankingProof
from uplift.evaluation.stability import Stability
from uplift.evaluation.uncertainty import Estimate

AVERAGE, RANKING, CALIBRATION, STABILITY, VALUE = (
    "average effect",
    "ranking",
    "calibration",
    "stability",
    "policy value",
)


@dataclass(frozen=True)
class Answer:
    """One question of the gate, answered."""

    question: str
    passed: bool
    words: str


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger is promoted, and an answer to every question that was asked."""

    answers: tuple[Answer, ...]

    @property
    def promoted(self) -> bool:
        """All answers are good."""
        return all(answer.passed for answer in self.answers)

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for every answer, in the order of the questions."""
        return tuple(answer.words for answer in self.answers)


@dataclass(frozen=True)
class Evidence:
    """What the rows say of a challenger; the mappings but ``leads`` are by treatment.

    Attributes:
        average: Average effect over all rows of the log, with an interval at ``surer`` level.
        proofs: Of the ranking by the challenger's cate.
        calibrations: On held-out rows.
        stability: Of two refits on halves of the training rows; empty if there are none.
        leads: Value of the challenger's policy minus that of a rival, euro per unit net of costs,
            on the same replicates, by rival.
    """

    average: Mapping[str, Estimate]
    proofs: Mapping[str, RankingProof]
    calibrations: Mapping[str, Calibration]
    stability: Mapping[str, Stability]
    leads: Mapping[str, Estimate]


def surer(level: float, n_treatments: int) -> float:
    """The level at which each of several treatments is judged, so that together they keep it.

    Examples:
        >>> surer(0.95, 2)
        0.975
    """
    return 1.0 - (1.0 - level) / n_treatments


def judge(evidence: Evidence, *, rules: Gate, level: float) -> Verdict:
    """Promote a challenger if every question has a good answer.

    Args:
        evidence: Of the rows.
        rules: ``evaluation.gate``.
        level: Of two-sided intervals, such as 0.95; the ranking is tested one-sided at half of
            what is left, shared among the treatments.
    """
    alpha = (1.0 - level) / 2.0 / len(evidence.proofs)
    proven = [name for name, proof in evidence.proofs.items() if proof.p_value <= alpha]
    answers = [
        _ranking(evidence.proofs, proven, alpha),
        _calibration(evidence.calibrations),
        _stability(evidence.stability, proven),
        *_values(evidence.leads, rules),
    ]
    if rules.require_average_effect:
        answers.insert(0, _average(evidence.average))
    return Verdict(tuple(answers))


def _average(average: Mapping[str, Estimate]) -> Answer:
    moved = {name: e for name, e in average.items() if e.low > 0.0 or e.high < 0.0}
    shown = "; ".join(f"{name} {_points(e)}" for name, e in (moved or average).items())
    if moved:
        return Answer(AVERAGE, True, f"The log shows an average effect: {shown}.")
    return Answer(
        AVERAGE,
        False,
        f"No treatment is shown to change the outcome on average: {shown}. Differences between "
        "customers are then a finding to confirm in a second experiment; to act on them now, set "
        "`evaluation.gate.require_average_effect: false`.",
    )


def _ranking(proofs: Mapping[str, RankingProof], proven: list[str], alpha: float) -> Answer:
    shown = "; ".join(
        f"{name} p = {_p(proofs[name].p_value)} in {_tests(proofs[name])}"
        for name in proven or proofs
    )
    if proven:
        return Answer(RANKING, True, f"The ranking beats chance: {shown}.")
    words = f"The ranking does not beat chance for any treatment: {shown}; {_p(alpha)} is asked."
    return Answer(RANKING, False, words)


def _calibration(calibrations: Mapping[str, Calibration]) -> Answer:
    rejected = {name: found for name, found in calibrations.items() if found.is_rejected}
    if rejected:
        words = " ".join(
            f"{name}: {' '.join(found.rejections)}" for name, found in rejected.items()
        )
        return Answer(CALIBRATION, False, f"Predicted effects are ruled out by the data. {words}")
    slopes = "; ".join(f"{name} {_interval(found.slope)}" for name, found in calibrations.items())
    words = f"The data do not contradict the predicted effects; calibration slope: {slopes}."
    return Answer(CALIBRATION, True, words)


def _stability(stability: Mapping[str, Stability], proven: list[str]) -> Answer:
    """Asked of the treatments with a proven ranking; of all, where none is proven."""
    if not stability:
        return Answer(
            STABILITY,
            False,
            "Nobody knows whether the model is stable: there are no two refits of it to compare. "
            "Run jobs/train_model again.",
        )
    # Calibration judges the slope by its interval, which a bare number cannot.
    asked = {name: replace(stability[name], slope=None) for name in proven or stability}
    blocked = {name: found for name, found in asked.items() if found.verdict == "block"}
    if blocked:
        words = " ".join(f"{name}: {' '.join(found.reasons)}" for name, found in blocked.items())
        return Answer(STABILITY, False, words)
    shown = "; ".join(f"{name} {found.spearman:.2f}" for name, found in asked.items())
    words = f"Two halves of the log teach alike; rank correlation of their effects: {shown}."
    return Answer(STABILITY, True, words)


def _values(leads: Mapping[str, Estimate], rules: Gate) -> Iterator[Answer]:
    for rival, lead in leads.items():
        passed, words = _lead(rival, lead, rules)
        yield Answer(VALUE, passed, words)


def _lead(rival: str, lead: Estimate, rules: Gate) -> tuple[bool, str]:
    if not (math.isfinite(lead.estimate) and math.isfinite(lead.standard_error)):
        return False, f"The policy cannot be compared with {rival}: too few rows match both."
    absolute = rules.tolerance_eur_per_1000 / 1000.0
    allowed = max(absolute, rules.tolerance_standard_errors * lead.standard_error)
    error = f"standard error {_euro(lead.standard_error)}"
    amount = f"{_euro(abs(lead.estimate))} euro per 1,000 customers"
    if lead.estimate >= 0.0:
        return True, f"The policy earns {amount} more than {rival} ({error})."
    words = f"The policy earns {amount} less than {rival}"
    if lead.estimate + allowed >= 0.0:
        return True, f"{words}, within the tolerance of {_euro(allowed)} ({error})."
    return False, f"{words}, more than the tolerance of {_euro(allowed)} ({error})."


def _tests(proof: RankingProof) -> str:
    rows = sum(test.rows for test in proof.tests)
    count = len(proof.tests)
    return f"{count} test{'' if count == 1 else 's'} of {rows:,} unseen rows"


def _euro(per_unit: float) -> str:
    euro = 1000.0 * per_unit
    return f"{euro:,.0f}" if abs(euro) >= 100.0 else f"{euro:.3g}"


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 0.0001 else "below 0.0001"


def _interval(found: Estimate) -> str:
    return f"{found.estimate:.2f} ({found.low:.2f} to {found.high:.2f})"


def _points(found: Estimate) -> str:
    """An effect on a chance."""
    estimate, low, high = (100.0 * part for part in (found.estimate, found.low, found.high))
    return f"{estimate:+.2f} percentage points ({low:+.2f} to {high:+.2f})"
