"""A night in one document: steps, segments and how they moved, spend, drift, checks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from uplift.batch.walk import Done

Document = Mapping[str, object]


@dataclass(frozen=True)
class SegmentRow:
    """A segment tonight and last night.

    Attributes:
        name: Of the segment.
        customers: Tonight.
        offers: How many of them get a coupon.
        before: Customers last night; None at the first night.
    """

    name: str
    customers: int
    offers: int
    before: int | None

    @property
    def change(self) -> int | None:
        """Tonight less last night."""
        return None if self.before is None else self.customers - self.before


@dataclass(frozen=True)
class Night:
    """All that a person wants to know in the morning.

    Attributes:
        campaign_id: The campaign.
        as_of: Moment of the features; None if the night failed before it was known.
        run_id: The run that readers use now; None before the first.
        steps: What became of each.
        segments: Sizes, tonight and last night.
        allocation: The report of jobs.assign_coupons; None before it.
        monitoring: The report of jobs.monitor_night; None before it.
        error: Why the night failed; None if it did not.
    """

    campaign_id: str
    as_of: str | None
    run_id: str | None
    steps: Sequence[Done]
    segments: Sequence[SegmentRow]
    allocation: Document | None
    monitoring: Document | None
    error: str | None

    @property
    def status(self) -> str:
        """``failed``, ``finished``, or ``unchanged`` if no step had to run."""
        if self.error is not None:
            return "failed"
        return "finished" if any(step.status == "ran" for step in self.steps) else "unchanged"

    @property
    def seconds(self) -> float:
        """Of all steps together."""
        return sum(step.seconds for step in self.steps)

    @property
    def peak_mib(self) -> float | None:
        """Most memory of any step; None if none was measured."""
        return max((s.peak_mib for s in self.steps if s.peak_mib is not None), default=None)

    def to_document(self) -> dict[str, object]:
        """As it stands in reports/night.json."""
        return {
            "status": self.status,
            "error": self.error,
            "campaign_id": self.campaign_id,
            "as_of": self.as_of,
            "run_id": self.run_id,
            "seconds": round(self.seconds, 3),
            "peak_mib": self.peak_mib,
            "steps": [_without_error(step) for step in self.steps],
            "segments": [{**asdict(row), "change": row.change} for row in self.segments],
            "allocation": self.allocation,
            "monitoring": self.monitoring,
        }


def segment_rows(
    sizes: Mapping[str, tuple[int, int]], before: Mapping[str, int] | None
) -> list[SegmentRow]:
    """Tonight's sizes beside last night's.

    Args:
        sizes: Customers and offers by segment.
        before: Customers by segment last night; None at the first night.
    """
    return [
        SegmentRow(name, customers, offers, None if before is None else before.get(name, 0))
        for name, (customers, offers) in sizes.items()
    ]


def _without_error(step: Done) -> dict[str, object]:
    return {
        "name": step.name,
        "status": step.status,
        "reason": step.reason,
        "rows_in": step.rows_in,
        "rows_out": step.rows_out,
        "seconds": round(step.seconds, 3),
        "peak_mib": step.peak_mib,
    }
