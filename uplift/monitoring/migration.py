"""Who moved from segment to segment since last night."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

ABSENT = "absent"


@dataclass(frozen=True, eq=False)
class Migration:
    """Customers by last night's segment (rows) and tonight's (columns), ``absent`` last.

    Attributes:
        segments: Their names, in order.
        customers: Shape (segments + 1, segments + 1).
    """

    segments: tuple[str, ...]
    customers: Counts

    @classmethod
    def of(
        cls, segments: Sequence[str], counted: Mapping[tuple[str | None, str | None], int]
    ) -> "Migration":
        """From counts by pair of segments; None is absent."""
        places = (*segments, ABSENT)
        table = np.zeros((len(places), len(places)), dtype=np.int64)
        for (before, now), n in counted.items():
            table[places.index(before or ABSENT), places.index(now or ABSENT)] += n
        return cls(tuple(segments), table)

    @property
    def n_before(self) -> int:
        """Customers of last night."""
        return int(self.customers[:-1].sum())

    @property
    def n_now(self) -> int:
        """Customers of tonight."""
        return int(self.customers[:, :-1].sum())

    @property
    def moved_share(self) -> float:
        """Share of the customers of both nights whose segment changed; 0 if there are none."""
        both = self.customers[:-1, :-1]
        n = int(both.sum())
        return float(1.0 - np.trace(both) / n) if n else 0.0

    @property
    def share_shift(self) -> Mapping[str, float]:
        """By how much each segment's share of all customers grew."""
        before = self.customers[:-1].sum(axis=1)
        now = self.customers[:, :-1].sum(axis=0)
        shift = now / max(self.n_now, 1) - before / max(self.n_before, 1)
        return dict(zip(self.segments, shift.tolist(), strict=True))

    @property
    def volume_change(self) -> float:
        """Tonight's customers over last night's, less one; 0 if there was nobody last night."""
        return self.n_now / self.n_before - 1.0 if self.n_before else 0.0

    def to_document(self) -> dict[str, dict[str, int]]:
        """By name: from last night's segment to tonight's."""
        places = (*self.segments, ABSENT)
        return {
            before: dict(zip(places, map(int, row), strict=True))
            for before, row in zip(places, self.customers, strict=True)
        }
