"""Standard errors in closed form for every metric, robust to clusters: the infinitesimal jackknife.

A metric is a smooth function of sums. What a row does to it is the metric's gradient at the row's
cell times what the row adds there; rows of one randomisation unit act together, and the root of
the summed squares of what units do is the standard error (Jaeckel 1972; Efron 1982). Of a
difference in means this is Welch's, of a regression the sandwich's, of RATE the one of Yadlowsky
et al. (2021), ranks included; each without its correction for few units, of order 1 / n.

Replicates tell more (bounds that need not be symmetric) and need one pass over the rows; this
needs two, but no replicate. The two check each other.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from uplift.arms import CONTROL
from uplift.errors import ContractError
from uplift.evaluation.curves import tops
from uplift.evaluation.ranked_sums import RankedSums, block_of
from uplift.evaluation.resampling import Floats, Ints, Keys
from uplift.evaluation.uncertainty import Estimate, from_standard_error

Metric = Callable[[RankedSums, int], Floats]

_STEP = 1e-4  # share of a cell; the error of a central difference is its square
_CELLS_AT_ONCE = 128


@dataclass(frozen=True)
class Influence:
    """What a row does to a metric, small enough to be sent to where the rows are."""

    value: float  # of the metric
    cuts: Floats  # (B - 1,)
    per_row: Floats  # (B, K + 1) for a row of weight 1
    per_outcome: Floats  # (B, K + 1) for each unit of its outcome

    def of(self, priority: Floats, arm: Ints, outcome: Floats, weight: Floats) -> Floats:
        """Of each row, shape (n,); arguments as in ``ranked_sums``."""
        block = block_of(priority, self.cuts)
        moved = self.per_row[block, arm] + self.per_outcome[block, arm] * outcome
        return np.asarray(weight * moved)


def influence(metric: Metric, sums: RankedSums, treatment: int) -> Influence:
    """The gradient of a metric in the data's sums.

    Args:
        metric: Any function of ranked sums and a treatment that is smooth in the sums, such as
            ``autoc``; it must give one value per replicate.
        sums: Of rows, by ``ranked_sums``; replicates are not needed.
        treatment: Compared with control.
    """
    tops(sums, treatment)  # refuses what is no treatment
    if sums.cuts is None:
        raise ContractError(
            "these ranked sums do not know where their blocks begin, so no row can be found in "
            "them; make them with `ranked_sums`."
        )
    arms = [CONTROL, treatment]
    pair = replace(sums, n=sums.n[:1, :, arms], y=sums.y[:1, :, arms], rows=sums.rows[:, arms])
    gradient = np.zeros((2, *sums.rows.shape))
    blocks, columns = np.nonzero(pair.rows)
    size = pair.n[0, blocks, columns]
    scale = float(np.abs(pair.y[0]).sum() / pair.n[0].sum()) or 1.0
    for begin in range(0, len(blocks), _CELLS_AT_ONCE):
        chosen = slice(begin, begin + _CELLS_AT_ONCE)
        cells, step = (blocks[chosen], columns[chosen]), _STEP * size[chosen]
        gradient[0, cells[0], np.array(arms)[cells[1]]] = _slope(metric, pair, "n", cells, step)
        gradient[1, cells[0], np.array(arms)[cells[1]]] = _slope(
            metric, pair, "y", cells, step * scale
        )
    return Influence(float(metric(pair, 1)[0]), sums.cuts, gradient[0], gradient[1])


def _slope(
    metric: Metric, pair: RankedSums, field: str, cells: tuple[Ints, Ints], step: Floats
) -> Floats:
    """Central differences of the metric, one replicate for each step there and back."""
    n_steps = len(step)
    moved = {name: np.repeat(getattr(pair, name), 2 * n_steps, axis=0) for name in ("n", "y")}
    steps = np.arange(n_steps)
    moved[field][steps, cells[0], cells[1]] += step
    moved[field][n_steps + steps, cells[0], cells[1]] -= step
    values = metric(replace(pair, n=moved["n"], y=moved["y"]), 1)
    return np.asarray((values[:n_steps] - values[n_steps:]) / (2 * step))


def jackknife(
    metric: Metric,
    sums: RankedSums,
    treatment: int,
    priority: npt.ArrayLike,
    arm: npt.ArrayLike,
    outcome: npt.ArrayLike,
    *,
    level: float,
    weight: npt.ArrayLike | None = None,
    keys: Keys | None = None,
) -> Estimate:
    """A metric with its standard error in closed form and a normal interval.

    Args:
        metric: As for ``influence``.
        sums: Of these rows.
        treatment: Compared with control.
        priority: Of the rows that ``sums`` were made of, as the arguments below.
        arm: Shape (n,).
        outcome: Shape (n,).
        level: Of the interval.
        weight: 1 / propensity; None counts every row once.
        keys: Of the randomisation units; None makes each row its own.

    Examples:
        >>> from uplift.evaluation.metrics import ate
        >>> from uplift.evaluation.ranked_sums import ranked_sums
        >>> rows = [0.0] * 4, [1, 1, 0, 0], [3.0, 1.0, 1.0, 1.0]
        >>> found = jackknife(ate, ranked_sums(*rows, n_arms=2), 1, *rows, level=0.95)
        >>> round(found.estimate, 6), round(found.standard_error, 6)
        (1.0, 0.707107)
    """
    found = influence(metric, sums, treatment)
    ranked = np.asarray(priority, dtype=np.float64)
    weights = np.ones(len(ranked)) if weight is None else np.asarray(weight, dtype=np.float64)
    of_rows = found.of(
        ranked,
        np.asarray(arm, dtype=np.int64),
        np.asarray(outcome, dtype=np.float64),
        weights,
    )
    if keys is not None:
        _, unit = np.unique(keys, return_inverse=True)
        of_rows = np.bincount(unit, of_rows)
    return from_standard_error(found.value, math.sqrt(float(of_rows @ of_rows)), level=level)
