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
        harm_cost_eur: What a customer lost to a coupon costs beyond the margin of this conversion.
        face_value_order: Columns of expected outcomes, treatments 1..K, by rising face value:
            the more a coupon is worth, the more it is taken to bring. Empty: nothing is assumed.
    """

    basis: Literal["conversion", "revenue"]
    margin_per_conversion_eur: float
    margin_rate: float
    contact_cost_eur: tuple[float, ...]
    redemption_cost_eur: tuple[float, ...]
    harm_cost_eur: float = 0.0
    face_value_order: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        prices = (*self.contact_cost_eur, *self.redemption_cost_eur, self.harm_cost_eur)
        refused = [price for price in prices if not 0.0 <= price < np.inf]
        if refused:
            raise BudgetError(
                f"coupon prices {refused} ({len(refused)} of {len(prices)}) are negative or not "
                "finite; correct the costs in `campaign.treatments` and `campaign.value`."
            )
        if len(self.contact_cost_eur) != len(self.redemption_cost_eur):
            raise BudgetError(
                f"{len(self.contact_cost_eur)} contact costs, but "
                f"{len(self.redemption_cost_eur)} redemption costs; give each of "
                "`campaign.treatments` both."
            )
        if self.face_value_order and sorted(self.face_value_order) != list(
            range(1, self.n_treatments + 1)
        ):
            raise BudgetError(
                f"the order of face values {list(self.face_value_order)} does not name each of "
                f"{self.n_treatments} treatments once; correct `campaign.treatments`."
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
        harm_cost_eur=campaign.value.harm_cost_eur,
        face_value_order=_face_value_order(campaign) if campaign.value.monotone_response else (),
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
    conversion = expected_by_arm("expected_conversion", expected_conversion, value)
    cost = np.add(value.contact_cost_eur, np.multiply(value.redemption_cost_eur, conversion[:, 1:]))
    if value.basis == "conversion":
        return margin_of(_effect(conversion), _effect(conversion), value), cost
    if expected_revenue is None:
        raise ContractError(
            f"`campaign.value.basis` is 'revenue', but the model expects no revenue for any of "
            f"{len(conversion)} units. Train on a log with revenue, or set "
            "`campaign.value.basis: conversion`."
        )
    revenue = expected_by_arm("expected_revenue", expected_revenue, value)
    return margin_of(_effect(revenue), _effect(conversion), value), cost


def margin_of(earning: Matrix, conversion: Matrix, value: ValueRule) -> Matrix:
    """Margin of effects, euro, less the cost of harm; any shape.

    An effect on conversion below 0 is the least share of customers who are harmed.

    Args:
        earning: Effects on what earns money: conversion or revenue.
        conversion: Effects on conversion.
        value: The prices.
    """
    by_conversion = value.basis == "conversion"
    price = value.margin_per_conversion_eur if by_conversion else value.margin_rate
    margin = price * earning
    if value.harm_cost_eur:
        margin = margin + value.harm_cost_eur * np.minimum(conversion, 0.0)
    return margin


def expected_by_arm(name: str, expected: npt.ArrayLike | None, value: ValueRule) -> Matrix:
    """Expected outcomes in arms 0..K, checked, and monotone in face value if that is assumed.

    Shape (n, K + 1). Where a dearer coupon is expected to bring less than a cheaper one, both get
    their common average (pool adjacent violators); control stays as it is.

    Raises:
        VersionMismatchError: There are other arms than prices.
        ContractError: A number is not finite.
    """
    matrix = np.asarray(expected, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] != value.n_treatments + 1:
        raise VersionMismatchError(
            f"{name} has shape {matrix.shape}, the prices are for {value.n_treatments} treatments "
            f"and control. Train the model with the arms of `campaign.treatments`."
        )
    if not np.isfinite(matrix).all():
        amiss = int((~np.isfinite(matrix)).any(axis=1).sum())
        raise ContractError(
            f"{name} holds numbers that are not finite for {amiss} of {len(matrix)} units: nothing "
            "can be decided on them. Score the customers again, or leave these out."
        )
    if not value.face_value_order:
        return matrix
    order = list(value.face_value_order)
    monotone = matrix.copy()
    monotone[:, order] = _isotonic(matrix[:, order])
    return monotone


def _isotonic(rows: Matrix) -> Matrix:
    """The nearest rising row to each row: at j the greatest of the least means of runs around j."""
    sums = np.concatenate([np.zeros((len(rows), 1)), rows.cumsum(axis=1)], axis=1)
    k = rows.shape[1]
    fitted = np.empty_like(rows)
    for j in range(k):
        least = [
            np.min([(sums[:, b] - sums[:, a]) / (b - a) for b in range(j + 1, k + 1)], axis=0)
            for a in range(j + 1)
        ]
        fitted[:, j] = np.max(least, axis=0)
    rises = (np.diff(rows, axis=1) >= 0.0).all(axis=1, keepdims=True)
    isotonic: Matrix = np.where(rises, rows, fitted)  # not a bit is changed without need
    return isotonic


def _face_value_order(campaign: Campaign) -> tuple[int, ...]:
    values = [treatment.face_value_eur for treatment in campaign.treatments]
    return tuple(1 + int(place) for place in np.argsort(values, kind="stable"))


def _effect(expected: Matrix) -> Matrix:
    """Effect of each treatment against control, shape (n, K)."""
    return expected[:, 1:] - expected[:, :1]
