"""What tonight's budget, and other budgets, should bring: as the model expects, and as measured."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uplift import columns
from uplift.config import Evaluation
from uplift.evaluation.prediction_error import ErrorSums, ErrorSumsPlan
from uplift.learners.model import UpliftModel
from uplift.policy import Policy, ValueRule, gain_and_cost
from uplift.policy.budget import NANO_PER_EURO, nano_euro
from uplift.policy.contenders import Contenders
from uplift.policy.cuts import FINE_SHIFT, Integers
from uplift.policy.lagrange import budget_points
from uplift.policy.limits import Survey
from uplift.policy.prices import Prices
from uplift.spark.arrow import Matrix, to_matrix
from uplift.spark.partial_sums import add_up, floats, integers, keys
from uplift.spark.scoring import add_expected_outcomes, expected_revenue, kept

_ERROR = "error"
_LARGEST = "largest"
Document = dict[str, object]


@dataclass(frozen=True)
class Point:
    """One budget, spent at one price.

    Attributes:
        prices: At which everybody decides.
        spend_eur: Expected.
        profit_eur: Expected incremental margin less spend.
        offers: How many get treatment 1..K.
    """

    prices: Prices
    spend_eur: float
    profit_eur: float
    offers: tuple[int, ...]


def frontier(survey: Survey, policy: Policy, *, points: int) -> list[Point]:
    """Spend and profit at prices that spread over all budgets, none to unlimited.

    All of them lie on the concave frontier of what can be had. Between two of them ties are split,
    so a straight line joins them.
    """
    prices = budget_points(survey, policy.prices, points)

    def totals(customers: Contenders) -> tuple[Matrix, Integers]:
        sums = []
        for at in prices:
            arm = customers.arms_at(at)
            row = np.flatnonzero(arm)
            cost, gain = (m[row, arm[row] - 1] for m in (customers.cost, customers.gain))
            counts = np.bincount(arm, minlength=policy.arms.n_treatments + 1)[1:]
            profit = np.rint((gain - cost) * NANO_PER_EURO).astype(np.int64).sum()
            sums.append([int(nano_euro(cost).sum()), int(profit), *counts.tolist()])
        flat = np.array(sums, dtype=np.int64).ravel()
        return np.arange(1.0, len(flat) + 1.0), flat

    found = survey(totals)(FINE_SHIFT, None).weight[::-1].reshape(len(prices), -1)
    return [
        Point(at, row[0] / NANO_PER_EURO, row[1] / NANO_PER_EURO, tuple(row[2:]))
        for at, row in zip(prices, found.tolist(), strict=True)
    ]


def held_out_errors(
    held_out: DataFrame,
    model: UpliftModel,
    value: ValueRule,
    prices: Sequence[Prices],
    how: Evaluation,
) -> ErrorSums:
    """By how much decisions at each of several prices err, on rows the model has not learned from.

    Args:
        held_out: Rows of ``training_set``.
        model: The one that serves.
        value: What outcomes are worth and coupons cost.
        prices: Of the policies; groups' prices are left out of account.
        how: Replicates and seed.
    """
    names = [columns.ARM, columns.PROPENSITY, columns.CLUSTER_ID, columns.CONVERSION]
    if value.basis == columns.REVENUE:
        names.append(columns.REVENUE)
    features = [name for name in model.encoder.names if name not in names]
    with kept(add_expected_outcomes(held_out.select(*names, *features), model)) as rows:
        size = rows.mapInArrow(
            lambda batches: _largest(batches, value), f"n long, {_LARGEST} double"
        )
        n_rows, largest = size.agg(F.sum("n"), F.max(_LARGEST)).collect()[0]
        plan = ErrorSumsPlan.for_rows(
            n_rows,
            largest,
            n_treatments=value.n_treatments,
            replicates=how.replicates,
            seed=how.seed,
        )

        def sums(batch: pa.RecordBatch) -> list[Matrix]:
            gain, cost = _gain_and_cost(batch, value)
            tie = np.ones(batch.num_rows)
            return plan.add_up(
                np.column_stack([at.choose(gain, cost, tie) for at in prices]).astype(np.int64),
                integers(batch, columns.ARM),
                floats(batch, columns.PROPENSITY),
                _errors(batch, value),
                keys(batch, columns.CLUSTER_ID),
            )

        return plan.finish(add_up(rows, sums))


def what_if(
    points: Sequence[Point],
    errors: ErrorSums | None = None,
    *,
    level: float = 0.95,
    first: int = 0,
) -> list[Document]:
    """The curve of budget against profit, with intervals, as JSON values; cheapest budget first.

    Args:
        points: Of ``frontier``.
        errors: Null stands for the calibrated profit without them.
        level: Of the intervals.
        first: Position of the first point among the policies of ``errors``.
    """
    return [
        {
            "budget_eur": point.spend_eur,
            "shadow_price": point.prices.budget.price,
            "offers": sum(point.offers),
            "expected_profit_eur": point.profit_eur,
            "calibrated_profit_eur": errors
            and errors.corrected(number, point.profit_eur, point.offers, level).to_document(),
        }
        for number, point in enumerate(points, first)
    ]


def _largest(batches: Iterator[pa.RecordBatch], value: ValueRule) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        sizes = np.abs(_errors(batch, value)) / floats(batch, columns.PROPENSITY)
        yield pa.RecordBatch.from_pydict(
            {"n": [len(sizes)], _LARGEST: [float(sizes.max(initial=0.0))]}
        )


def _errors(batch: pa.RecordBatch, value: ValueRule) -> Matrix:
    """What the arm drawn brought, less what was expected of it, euro, shape (n,)."""
    n_arms = value.n_treatments + 1
    arm, row = integers(batch, columns.ARM), np.arange(batch.num_rows)
    conversion = to_matrix(batch.column(columns.EXPECTED_CONVERSION), n_arms)
    surprise = floats(batch, columns.CONVERSION) - conversion[row, arm]
    redemption = np.array([0.0, *value.redemption_cost_eur])[arm] * surprise
    if value.basis == "conversion":
        return value.margin_per_conversion_eur * surprise - redemption
    revenue = to_matrix(batch.column(columns.EXPECTED_REVENUE), n_arms)
    earned: Matrix = floats(batch, columns.REVENUE) - revenue[row, arm]
    return value.margin_rate * earned - redemption


def _gain_and_cost(batch: pa.RecordBatch, value: ValueRule) -> tuple[Matrix, Matrix]:
    n_arms = value.n_treatments + 1
    conversion = to_matrix(batch.column(columns.EXPECTED_CONVERSION), n_arms)
    return gain_and_cost(conversion, expected_revenue(batch, n_arms), value=value)
