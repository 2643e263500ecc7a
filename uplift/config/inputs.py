"""The section ``inputs``: where the log is, and how it is read."""

import difflib
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, model_validator

from uplift.config.section import Section, Share

Format = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.]*$", max_length=64)]


def _known_zone(name: str) -> str:
    zones = available_timezones()
    if name not in zones:
        close = difflib.get_close_matches(name, zones, n=1)
        hint = f"; is it {close[0]}?" if close else ", such as Europe/Berlin"
        raise ValueError(f"no time zone of the IANA list{hint}")
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]


class RawInputs(Section):
    """Three tables: who was assigned what, what happened, who they are."""

    assignments: str
    events: str
    customers: str
    format: Format = "parquet"
    time_zone: TimeZone = "UTC"
    negative_values: Literal["keep", "set_aside"] = "keep"


class FlatLog(Section):
    """One row per unit with features, arm and outcomes, as Hillstrom's log."""

    path: str | None
    format: Format
    unit_id: str | None = None
    cluster_id: str | None = None
    arm: str
    propensity: str | None = None
    conversion: str
    revenue: str | None = None


class Inputs(Section):
    """Where the log is: exactly one of the two shapes."""

    raw: RawInputs | None = None
    flat_log: FlatLog | None = None
    quarantine_fail: Share

    @model_validator(mode="after")
    def _exactly_one(self) -> "Inputs":
        if (self.raw is None) == (self.flat_log is None):
            raise ValueError("give exactly one of `raw` and `flat_log` (set the other to null)")
        return self

    @property
    def log(self) -> RawInputs | FlatLog:
        """The one that is given."""
        return next(shape for shape in (self.raw, self.flat_log) if shape is not None)
