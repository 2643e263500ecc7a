"""What an audience file holds: the same words in a campaign's configuration and over the API."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator

from uplift.config.section import Count, Name, NonNegative, Section

Segment = Literal["persuadable", "sure_thing", "lost_cause", "sleeping_dog"]
Evidence = Literal["strong", "weak"]
Format = Literal["csv", "excel", "parquet", "xlsx", "jsonl"]
Profile = Literal["google", "meta", "tiktok_2025_06", "tiktok_2025_08", "x"]
Scalar = str | int | float | bool


_EXAMPLE: dict[str, JsonValue] = {
    "name": "persuadable",
    "audience": {"segments": ["persuadable"], "net_value_eur": {"min": 0.5}, "top_n": 1000},
    "format": "csv",
}


class Range(Section):
    """Values from ``min`` to ``max``, both included; null: no limit. A missing value is outside."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _is_not_empty(self) -> "Range":
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}, so nobody is between")
        return self


class OneOf(Section):
    """Any of the listed values."""

    any_of: Annotated[tuple[Scalar, ...], Field(min_length=1, max_length=1000)]


class Audience(Section):
    """Which customers; what is left out does not restrict. All restrictions hold together.

    Attributes:
        segments: Response segments.
        evidence: How sure the segment is.
        coupons: Coupons that the policy decided on tonight.
        uplift: Effect of the customer's best coupon on the chance of converting.
        net_value_eur: Net value of the best coupon.
        where: Conditions on other columns of the run or of the attributes, by column.
        exclude: Earlier exports, by id, whose customers are left out.
        top_n: At most so many, the most valuable first.
        budget_eur: As many as this pays for, the most gain per euro first; each with the coupon
            that is best for them.
        group: ``targeted``, or ``control``: the held-out customers that fit, to measure against.
    """

    segments: tuple[Segment, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    coupons: tuple[str, ...] = ()
    uplift: Range = Range()
    net_value_eur: Range = Range()
    where: dict[str, Range | OneOf] = Field(default_factory=dict, max_length=20)
    exclude: Annotated[tuple[str, ...], Field(max_length=20)] = ()
    top_n: Count | None = None
    budget_eur: NonNegative | None = None
    group: Literal["targeted", "control"] = "targeted"


class Order(Section):
    """One audience file to be written.

    Attributes:
        name: Begins the file's name. It says nothing of health or money: ad platforms read it.
        audience: Who is in it.
        columns: Which columns, in this order; none named: those of the run but for what is alike
            in all rows.
        format: ``csv``, ``excel`` (CSV with a byte order mark), ``parquet``, ``xlsx`` or ``jsonl``.
        gzip: Pack a CSV or JSON file.
        match: Hashed contact data for an ad platform in place of columns.
        since: An earlier export, by id; only what was added, changed or removed since is written.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Name = "audience"
    audience: Audience = Audience()
    columns: Annotated[tuple[str, ...], Field(max_length=200)] = ()
    format: Format = "csv"
    gzip: bool = False
    match: Profile | None = None
    since: str | None = None

    @model_validator(mode="after")
    def _choices_fit_together(self) -> "Order":
        if self.gzip and self.format not in ("csv", "jsonl"):
            raise ValueError(f"gzip packs csv and jsonl, not {self.format}")
        if self.match and self.format != "csv":
            raise ValueError(f"match files are csv, not {self.format}")
        if self.match and (self.columns or self.since):
            raise ValueError("a match file has the columns of its platform, and is always whole")
        return self


class Scheduled(Order):
    """An order that the nightly batch carries out; ``deliver`` also puts the file there.

    ``deliver`` is a folder, or a URL that fsspec knows, such as ``s3://bucket/folder``.
    """

    deliver: str | None = None


class Export(Section):
    """Audience files: what they may hold, and those that are written every night."""

    attributes: Path | None = None
    minimum_customers: Annotated[int, Field(ge=0)] = 0
    country_code: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,2}$")] | None = None
    memory_mb: Annotated[int, Field(ge=100)] = 300
    orders: tuple[Scheduled, ...]

    @model_validator(mode="after")
    def _names_are_distinct(self) -> "Export":
        names = [order.name for order in self.orders]
        if len(set(names)) < len(names):
            raise ValueError(f"orders has a name more than once: {names}")
        return self
