"""Arms are integers inside, names only at the border.

Libraries that sort arms by name put ``coupon_10`` before ``coupon_5``; they never see a name.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from uplift.errors import ContractError

CONTROL = 0


@dataclass(frozen=True)
class Arms:
    """The arms of a campaign in their declared order: control first, then treatments 1..K.

    Examples:
        >>> arms = Arms(("no_coupon", "coupon_5", "coupon_10"))
        >>> arms.number_of("coupon_10"), arms.names[0], arms.n_treatments
        (2, 'no_coupon', 2)
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        doubled = sorted({name for name in self.names if self.names.count(name) > 1})
        if doubled:
            raise ContractError(
                f"arm names {doubled} appear more than once in {list(self.names)}; "
                "give every arm its own name in `campaign`."
            )

    @property
    def n_treatments(self) -> int:
        """K: how many arms beside control."""
        return len(self.names) - 1

    @property
    def treatments(self) -> tuple[str, ...]:
        """Names of arms 1..K."""
        return self.names[1:]

    @property
    def slugs(self) -> tuple[str, ...]:
        """The names as parts of column names: ``No E-Mail`` is ``no_e_mail``."""
        slugs = tuple(re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") for name in self.names)
        if "" in slugs or len(set(slugs)) < len(slugs):
            raise ContractError(
                f"the {len(slugs)} arm names {list(self.names)} become the column names "
                f"{list(slugs)}; no two may be alike and none empty. Rename arms in `campaign`."
            )
        return slugs

    def number_of(self, name: str) -> int:
        """The integer of an arm; an unknown name is an error that lists the known ones."""
        try:
            return self.names.index(name)
        except ValueError:
            raise ContractError(
                f"unknown arm {name!r}; the campaign knows {list(self.names)}. "
                "Add it to `campaign.treatments`, or drop its rows with `campaign.ignore_arms`."
            ) from None

    def numbers(self) -> dict[str, int]:
        """Name to integer, for joins and maps."""
        return {name: number for number, name in enumerate(self.names)}


def arms_of(control: str, treatments: Sequence[str]) -> Arms:
    """Arms from the two parts a campaign declares."""
    return Arms((control, *treatments))
