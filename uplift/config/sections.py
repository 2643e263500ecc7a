"""The shape of the configuration: closed, frozen sections.

Every key with its unit and meaning stands in ``conf/base.yaml``. Functions do not take a
``Config``; they take the numbers they need.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from uplift.arms import Arms, arms_of
from uplift.config.experiment import ExperimentChecks
from uplift.config.exports import Export
from uplift.config.inputs import Inputs
from uplift.config.policy import PolicyRules, Segments
from uplift.config.section import Count, Name, NonNegative, Positive, Section, Share
from uplift.config.serving import Serving
from uplift.config.training import Training
from uplift.errors import ContractError

_IN_FILES = ("parquet", "csv")  # formats of raw inputs that an export can read by itself


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
    harm_cost_eur: NonNegative = 0.0
    monotone_response: bool = False


class Experiment(Section):
    """One of several experiments that are learned from together."""

    id: Name
    planned_shares: dict[str, Positive] | None = None


class Campaign(Section):
    """The experiments we learn from and the coupons we may send."""

    id: Name
    control: str
    treatments: Annotated[tuple[Treatment, ...], Field(min_length=1)]
    ignore_arms: tuple[str, ...] = ()
    planned_shares: dict[str, Positive] | None = None
    experiments: tuple[Experiment, ...] = ()
    rows_per_unit: Literal["first", "each_experiment"] = "first"
    outcome_event: str
    outcome_window_days: Count
    value: Value

    @property
    def arms(self) -> Arms:
        """Control first, then the treatments in their declared order."""
        return arms_of(self.control, [treatment.name for treatment in self.treatments])

    @property
    def pooled(self) -> tuple[Experiment, ...]:
        """The experiments we learn from, each with its shares: those listed, or the one of `id`."""
        if not self.experiments:
            return (Experiment(id=self.id, planned_shares=self.planned_shares),)
        return tuple(
            Experiment(id=one.id, planned_shares=one.planned_shares or self.planned_shares)
            for one in self.experiments
        )

    @model_validator(mode="after")
    def _arms_and_experiments_are_distinct_and_shares_cover_the_arms(self) -> "Campaign":
        try:
            names = self.arms.names
        except ContractError as error:
            raise ValueError(str(error)) from error
        both = sorted(set(names).intersection(self.ignore_arms))
        if both:
            raise ValueError(f"the arms {both} are in treatments or control and in ignore_arms")
        for shares in (self.planned_shares, *(one.planned_shares for one in self.experiments)):
            if shares is not None and set(shares) != set(names):
                raise ValueError(
                    f"planned_shares names {sorted(shares)}, the arms are {sorted(names)}"
                )
        values = [treatment.face_value_eur for treatment in self.treatments]
        if self.value.monotone_response and len(set(values)) < len(values):
            raise ValueError(
                f"monotone_response needs a face_value_eur of its own for each treatment: {values}"
            )
        ids = [one.id for one in self.experiments]
        if len(set(ids)) < len(ids):
            raise ValueError(f"experiments lists an id more than once: {ids}")
        return self


class StaticFeature(Section):
    """An attribute that does not change with time."""

    name: Name
    kind: Literal["numeric", "categorical"]


Aggregate = Literal["count", "sum", "mean", "max", "min", "recency", "distinct", "trend"]


class EventFeature(Section):
    """Aggregates of one event type over one or more windows before the as-of time."""

    event_type: Name
    aggregates: Annotated[tuple[Aggregate, ...], Field(min_length=1)]
    window_days: Annotated[tuple[Count, ...], Field(min_length=1)]


class RatioFeature(Section):
    """One numeric feature over another; null where the denominator is 0 or either is null."""

    name: Name
    numerator: str
    denominator: str


class Features(Section):
    """The features of training and of scoring, declared once."""

    incremental: bool = False
    static: tuple[StaticFeature, ...] = ()
    events: tuple[EventFeature, ...] = ()
    ratios: tuple[RatioFeature, ...] = ()
    repeated_events: Literal["keep", "drop"] = "keep"


class Evaluation(Section):
    """How the held-out rows judge a ranking."""

    replicates: Annotated[int, Field(ge=20)]
    blocks: Annotated[int, Field(ge=10)]
    level: Annotated[float, Field(gt=0.5, lt=1.0)]
    seed: int


class Tracking(Section):
    """MLflow: the embedded SQLite store of the workspace when ``uri`` is null."""

    uri: str | None
    experiment: str
    registered_model: str


class SparkSettings(Section):
    """How a session is made when nobody hands us one."""

    master: str
    settings: dict[str, str]


class Simulation(Section):
    """A log with known true effects instead of a real one."""

    scenario: Path
    n_units: Count
    seed: Annotated[int, Field(ge=0)]
    knobs: Annotated[dict[str, float], Field(default_factory=dict)]


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

    @property
    def attributes(self) -> Path | None:
        """What marketers may filter by: the declared table, or the customers of raw inputs."""
        raw = self.inputs.raw
        if self.export.attributes is not None or raw is None or raw.format not in _IN_FILES:
            return self.export.attributes
        return Path(raw.customers)

    @model_validator(mode="after")
    def _caps_are_for_treatments(self) -> "Config":
        unknown = sorted(set(self.policy.max_coupons).difference(self.campaign.arms.treatments))
        if unknown:
            raise ValueError(
                f"policy.max_coupons names {unknown}, the treatments are "
                f"{list(self.campaign.arms.treatments)}"
            )
        return self
