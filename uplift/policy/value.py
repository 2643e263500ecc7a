"""What an effect is worth, and what a coupon costs, in euro."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from uplift.config import Campaign
from uplift.errors import BudgetError, ContractError, VersionMismatchError

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ValueRule:
    """Prices of a campaign. Entry ``j`` of the costs belongs to arm ``j + 1``.

    Attributes:
        basis: Which effect earns money.
        margin_per_conversion_eur: Margin of one conversion, for basis ``conversion``.
        margin_rate: Margin of one euro of revenue, for basis ``revenue``.
        contact_cost_eur: Paid for everybody who is sent the coupon.
        redemption_cost_eur: Paid when the customer converts, also if they would have anyway.
    """

    basis: Literal["conversion", "revenue"]
    margin_per_conversion_eur: float
    margin_rate: float
    contact_cost_eur: tuple[float, ...]
    redemption_cost_eur: tuple[float, ...]

    def __post_init__(self) -> None:
        prices = (*self.contact_cost_eur, *self.redemption_cost_eur)
        refused = [price for price in prices if not 0.0 <= price < np.inf]
        if refused:
            raise BudgetError(
                f"coupon prices {refused} ({len(refused)} of {len(prices)}) are negative or not "
                "finite; correct the costs in `campaign.treatments`."
            )
        if len(self.contact_cost_eur) != len(self.redemption_cost_eur):
            raise BudgetError(
                f"{len(self.contact_cost_eur)} contact costs, but "
                f"{len(self.redemption_cost_eur)} redemption costs; give each of "
                "`campaign.treatments` both."
            )

    @property
    def n_treatments(self) -> int:
        """K: how many arms have a price."""
        return len(self.contact_cost_eur)


def value_rule(campaign: Campaign) -> ValueRule:
    """The prices that a campaign declares."""
    return ValueRule(
        basis=campaign.value.basis,
        margin_per_conversion_eur=campaign.value.margin_per_conversion_eur,
        margin_rate=campaign.value.margin_rate,
        contact_cost_eur=tuple(t.contact_cost_eur for t in campaign.treatments),
        redemption_cost_eur=tuple(t.redemption_cost_eur for t in campaign.treatments),
    )


def gain_and_cost(
    expected_conversion: npt.ArrayLike,
    expected_revenue: npt.ArrayLike | None,
    *,
    value: ValueRule,
) -> tuple[Matrix, Matrix]:
    """Expected incremental margin and expected spend of every coupon for every unit, in euro.

    A coupon is redeemed by whoever converts while holding it, so the cost grows with the expected
    conversion *in that arm*, not with the effect: a sure thing costs its full redemption.

    Args:
        expected_conversion: Chance of converting in arms 0..K, shape (n, K + 1).
        expected_revenue: Euro in arms 0..K, same shape; read only for basis ``revenue``.
        value: The prices.

    Returns:
        Gain and cost, each of shape (n, K).

    Examples:
        >>> rule = ValueRule("conversion", 30.0, 0.0, (0.1,), (5.0,))
        >>> gain_and_cost([[0.25, 0.5]], None, value=rule)
        (array([[7.5]]), array([[2.6]]))
    """
    conversion = _by_arm("expected_conversion", expected_conversion, value)
    cost = np.add(value.contact_cost_eur, np.multiply(value.redemption_cost_eur, conversion[:, 1:]))
    if value.basis == "conversion":
        return value.margin_per_conversion_eur * _effect(conversion), cost
    if expected_revenue is None:
        raise ContractError(
            f"`campaign.value.basis` is 'revenue', but the model expects no revenue for any of "
            f"{len(conversion)} units. Train on a log with revenue, or set "
            "`campaign.value.basis: conversion`."
        )
    revenue = _by_arm("expected_revenue", expected_revenue, value)
    return value.margin_rate * _effect(revenue), cost


def _effect(expected: Matrix) -> Matrix:
    """Effect of each treatment against control, shape (n, K)."""
    return expected[:, 1:] - expected[:, :1]


def _by_arm(name: str, expected: npt.ArrayLike, value: ValueRule) -> Matrix:
    matrix = np.asarray(expected, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] != value.n_treatments + 1:
        raise VersionMismatchError(
            f"{name} has shape {matrix.shape}, the prices are for {value.n_treatments} treatments "
            f"and control. Train the model with the arms of `campaign.treatments`."
        )
    return matrix
