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
    calibrated_profit_eur: Estimate | None = None
    budget_eur: float | None
    arms: Mapping[str, int]
    what_if: tuple[BudgetPoint, ...] = ()


class Promotion(View):
    """Whether the model has proved itself."""

    promoted: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Night:
    """All reports of a workspace that the console shows."""

    experiment: Experiment | None
    monitoring: Monitoring | None
    allocation: Allocation | None
    promotion: Promotion | None


Shown = TypeVar("Shown", bound=View)


def read_night(workspace: Workspace) -> Night:
    """The reports as they stand now."""

    def report(kind: type[Shown]) -> Shown | None:
        path = workspace.report(kind.__name__.lower())
        try:
            return kind.model_validate(read_document(path, made_by="nightly"))
        except (UpliftError, ValidationError, ValueError):
            return None

    return Night(
        experiment=report(Experiment),
        monitoring=report(Monitoring),
        allocation=report(Allocation),
        promotion=report(Promotion),
    )
