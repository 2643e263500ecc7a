"""What a night has left for people: its reports, as far as the console shows them.

A report that is not there, or is of another release, is None: its part of a page then says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from uplift.errors import UpliftError
from uplift.workspace import Workspace, read_document

Verdict = Literal["pass", "warn", "fail"]


class View(BaseModel):
    """The part of a report that is shown."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Estimate(View):
    """A number with its interval."""

    estimate: float
    low: float | None = None
    high: float | None = None

    @property
    def per_thousand(self) -> "Estimate":
        """The same for 1,000 customers."""
        low, high = (None if side is None else 1000.0 * side for side in (self.low, self.high))
        return Estimate(estimate=1000.0 * self.estimate, low=low, high=high)


class Experiment(View):
    """Whether the log that the model learned from can be trusted."""

    verdict: Verdict


class Check(View):
    """One question that the night was asked."""

    name: str
    verdict: Verdict
    message: str


class Monitoring(View):
    """How the night differs from the one before, and from training."""

    verdict: Verdict
    checks: tuple[Check, ...]
    migration: Mapping[str, Mapping[str, int]] | None = None


class BudgetPoint(View):
    """One budget, and what it should bring."""

    budget_eur: float
    offers: int
    expected_profit_eur: float
    calibrated_profit_eur: Estimate | None = None


class Allocation(View):
    """What was decided for everybody."""

    expected_spend_eur: float
    expected_incremental_profit_eur: float
    expected_incremental_conversions: float
    calibrated_incremental_profit_eur: Estimate | None = None
    level: float = 0.95
    budget_eur: float | None
    arms: Mapping[str, int]
    what_if: tuple[BudgetPoint, ...] = ()


class Promotion(View):
    """Whether the model has proved itself."""

    promoted: bool
    reasons: tuple[str, ...]
    consequence: str = ""


class Kept(Estimate):
    """Part of what treating everybody adds that treating the best share keeps."""

    share: float


class TwoRankings(View):
    """Conversions added per 1,000 customers when the same share gets the coupon."""

    by_uplift: Estimate
    by_response: Estimate
    difference: Estimate
    in_random_order: Estimate
    share: float


class Calibration(View):
    """Measured effect over predicted."""

    slope: Estimate


class Proof(View):
    """What unseen customers say of one coupon's ranking."""

    average_effect: Estimate
    share_kept: Kept
    two_rankings: TwoRankings | None = None
    calibration: Calibration


class PolicyValue(View):
    """What a policy earns per customer, euro, and how many get each arm."""

    value: Estimate


class Difference(View):
    """What the first policy earns more than the second, per customer, euro."""

    policy: str
    against: str
    value: Estimate


class Evaluation(View):
    """How good the model is, on customers that it has not learned from."""

    level: float
    gate_evidence: Mapping[str, Proof] = {}
    policies: Mapping[str, PolicyValue] = {}
    differences: tuple[Difference, ...] = ()


class FeatureEffect(View):
    """What a feature does to the effect of a coupon.

    Attributes:
        importance: Mean size of its contribution, in chances of buying.
        direction: Rank correlation of value and contribution, -1 to 1; None: it has none.
    """

    importance: float
    direction: float | None = None


class ModelCard(View):
    """What the model is, and what it is not good for."""

    learner: str
    effects: Mapping[str, Mapping[str, FeatureEffect]] = {}
    data: Mapping[str, object]
    features: tuple[str, ...]
    limits: tuple[str, ...]

    def top_reasons(self, most: int = 5) -> dict[str, list[tuple[str, FeatureEffect]]]:
        """By coupon, the features that move its effect most, the strongest first."""
        return {
            coupon: sorted(
                ((name, one) for name, one in found.items() if one.importance > 0.0),
                key=lambda item: (-item[1].importance, item[0]),
            )[:most]
            for coupon, found in self.effects.items()
        }


@dataclass(frozen=True)
class Night:
    """All reports of a workspace that the console shows."""

    experiment: Experiment | None
    monitoring: Monitoring | None
    allocation: Allocation | None
    promotion: Promotion | None
    evaluation: Evaluation | None
    model_card: ModelCard | None


Shown = TypeVar("Shown", bound=View)


def read_night(workspace: Workspace) -> Night:
    """The reports as they stand now."""

    def report(name: str, kind: type[Shown]) -> Shown | None:
        path = workspace.report(name)
        try:
            return kind.model_validate(read_document(path, made_by="nightly"))
        except (UpliftError, ValidationError, ValueError):
            return None

    return Night(
        experiment=report("experiment", Experiment),
        monitoring=report("monitoring", Monitoring),
        allocation=report("allocation", Allocation),
        promotion=report("promotion", Promotion),
        evaluation=report("evaluation", Evaluation),
        model_card=report("model_card", ModelCard),
    )
