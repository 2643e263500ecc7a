"""The shape of the configuration: closed, frozen sections.

Every key with its unit and meaning stands in ``conf/base.yaml``. Functions do not take a
``Config``; they take the numbers they need.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from uplift.arms import Arms, arms_of
from uplift.errors import ContractError

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]


class Section(BaseModel):
    """A part of the configuration: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Treatment(Section):
    """One thing we may do to a customer."""

    name: str
    face_value_eur: NonNegative = 0.0
    contact_cost_eur: NonNegative
    redemption_cost_eur: NonNegative


class Value(Section):
    """What an effect is worth."""

    basis: Literal["conversion", "revenue"]
    margin_per_conversion_eur: NonNegative
    margin_rate: Share


class Campaign(Section):
    """The experiment we learn from and the coupons we may send."""

    id: Name
    control: str
    treatments: Annotated[tuple[Treatment, ...], Field(min_length=1)]
    ignore_arms: tuple[str, ...] = ()
    planned_shares: dict[str, Positive] | None = None
    outcome_event: str
    outcome_window_days: Count
    value: Value

    @property
    def arms(self) -> Arms:
        """Control first, then the treatments in their declared order."""
        return arms_of(self.control, [treatment.name for treatment in self.treatments])

    @model_validator(mode="after")
    def _arms_are_distinct_and_shares_cover_them(self) -> "Campaign":
        try:
            names = self.arms.names
        except ContractError as error:
            raise ValueError(str(error)) from error
        if self.planned_shares is not None and set(self.planned_shares) != set(names):
            raise ValueError(
                f"planned_shares names {sorted(self.planned_shares)}, the arms are {sorted(names)}"
            )
        return self


class RawInputs(Section):
    """Three tables: who was assigned what, what happened, who they are."""

    assignments: str
    events: str
    customers: str
    format: Literal["parquet", "csv", "json"] = "parquet"


class FlatLog(Section):
    """One row per unit with features, arm and outcomes, as Hillstrom's log."""

    path: str | None
    format: Literal["csv", "parquet"]
    unit_id: str | None = None
    arm: str
    propensity: str | None = None
    conversion: str
    revenue: str | None = None


class Inputs(Section):
    """Where the log is: exactly one of the two shapes."""

    raw: RawInputs | None = None
    flat_log: FlatLog | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Inputs":
        if (self.raw is None) == (self.flat_log is None):
            raise ValueError("give exactly one of `raw` and `flat_log` (set the other to null)")
        return self

    @property
    def log(self) -> RawInputs | FlatLog:
        """The one that is given."""
        return next(shape for shape in (self.raw, self.flat_log) if shape is not None)


class StaticFeature(Section):
    """An attribute that does not change with time."""

    name: Name
    kind: Literal["numeric", "categorical"]


Aggregate = Literal["count", "sum", "mean", "max", "min", "recency"]


class EventFeature(Section):
    """Aggregates of one event type over one or more windows before the as-of time."""

    event_type: Name
    aggregates: Annotated[tuple[Aggregate, ...], Field(min_length=1)]
    window_days: Annotated[tuple[Count, ...], Field(min_length=1)]


class Features(Section):
    """The features of training and of scoring, declared once."""

    incremental: bool = False
    static: tuple[StaticFeature, ...] = ()
    events: tuple[EventFeature, ...] = ()


class ExperimentChecks(Section):
    """When to doubt the experiment (warn) and when to refuse it (fail)."""

    sample_ratio_p_value_warn: Share
    sample_ratio_p_value_fail: Share
    imbalance_warn: Positive
    imbalance_fail: Positive
    two_arms_fail: Share
    propensity_floor: Share
    override_failed_verdict_by: str | None = None


class Training(Section):
    """How the learner is fitted."""

    learner: Literal["t_learner"]
    test_share: Annotated[float, Field(gt=0.0, lt=1.0)]
    salt: str
    seed: int
    max_rows: Count
    booster: dict[str, bool | int | float | str]
    rounds: Count


class Evaluation(Section):
    """How the held-out rows judge a ranking."""

    replicates: Annotated[int, Field(ge=20)]
    blocks: Annotated[int, Field(ge=10)]
    level: Annotated[float, Field(gt=0.5, lt=1.0)]
    seed: int


class Segments(Section):
    """Where sure things part from lost causes, and noise from sleeping dogs."""

    sure_thing_conversion: Share | None
    harm_tolerance: Share


class PolicyRules(Section):
    """Who gets what tonight."""

    budget_eur: NonNegative | None
    holdout_share: Annotated[float, Field(ge=0.0, lt=1.0)]
    exploration_share: Annotated[float, Field(ge=0.0, lt=1.0)]
    salt: str


class Tracking(Section):
    """MLflow: the embedded SQLite store of the workspace when ``uri`` is null."""

    uri: str | None
    experiment: str
    registered_model: str


class SparkSettings(Section):
    """How a session is made when nobody hands us one."""

    master: str
    settings: dict[str, str]


class Export(Section):
    """The audience file that the walk writes at its end."""

    segment: Literal["persuadable", "sure_thing", "lost_cause", "sleeping_dog"]
    format: Literal["csv", "parquet"]


class Serving(Section):
    """Where the decision API listens."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)]


class Simulation(Section):
    """A log with known true effects instead of a real one."""

    scenario: Path
    n_units: Count
    seed: Annotated[int, Field(ge=0)]
    knobs: dict[str, float] = {}


class Config(Section):
    """All of it."""

    workspace: Path
    run_date: date | None
    campaign: Campaign
    inputs: Inputs
    features: Features
    experiment: ExperimentChecks
    training: Training
    evaluation: Evaluation
    segments: Segments
    policy: PolicyRules
    tracking: Tracking
    spark: SparkSettings
    export: Export
    serving: Serving
    simulation: Simulation | None = None
