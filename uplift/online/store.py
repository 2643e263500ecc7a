"""The seam: what a decision needs to know of one customer, whoever keeps it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class OnlineCustomer:
    """One customer as of the run that published them.

    Attributes:
        features: Encoded features in the order of the model's columns, shape (d,), read-only.
        contactable: Whether anything may be sent at all.
    """

    features: npt.NDArray[np.float64]
    contactable: bool


class FeatureStore(Protocol):
    """Customers by id. Safe to call from several threads until it is closed."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in the order of the arrays."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether a look-up waits for a network, so that an event loop should not."""
        ...

    def get(self, unit_id: str) -> OnlineCustomer | None:
        """The customer, or None if the run does not know them.

        Raises:
            UpliftError: The store cannot answer.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections. A second call does nothing."""
        ...
