"""Curves over a ranking: what treating its best part has caused, from the best block downwards.

"Qini" alone names no number, so each curve here is one of the field's definitions and says which.
All arrays lead with the replicate axis; a point lies at the end of every block, and the first
point is the empty top. Between points a curve is straight: the order inside a tie is unknown.
"""

from dataclasses import dataclass

import numpy as np

from uplift.arms import CONTROL
from uplift.errors import ContractError
from uplift.evaluation.ranked_sums import RankedSums
from uplift.evaluation.resampling import Floats


@dataclass(frozen=True)
class Curve:
    """Points of a curve per replicate, shape (R + 1, B + 1)."""

    at: Floats
    height: Floats

    def area(self) -> Floats:
        """Under the curve, below the axis counting negative; shape (R + 1,)."""
        widths = np.diff(self.at, axis=1)
        middles = (self.height[:, 1:] + self.height[:, :-1]) / 2
        return np.asarray((widths * middles).sum(axis=1))

    def area_above_chord(self) -> Floats:
        """Between the curve and the straight line from its first to its last point."""
        chord = (self.height[:, -1] + self.height[:, 0]) / 2 * (self.at[:, -1] - self.at[:, 0])
        return np.asarray(self.area() - chord)


@dataclass(frozen=True)
class Tops:
    """Sums over the best part of a ranking, per replicate and point, of one treatment and control.

    All of shape (R + 1, points). Where the weights are all 1 these are the N_T, Y_T, N_C, Y_C
    of the literature.
    """

    n_treated: Floats
    y_treated: Floats
    n_control: Floats
    y_control: Floats

    @property
    def size(self) -> Floats:
        """Rows of both arms in the top."""
        return self.n_treated + self.n_control

    def mean_difference(self) -> Floats:
        """Mean outcome, treated minus control; not a number where an arm is empty."""
        return ratio(self.y_treated, self.n_treated) - ratio(self.y_control, self.n_control)


def ratio(part: Floats, whole: Floats, *, if_empty: float = np.nan) -> Floats:
    """Divide, with an agreed answer where there is nothing to divide by."""
    filled = np.full(np.broadcast_shapes(part.shape, whole.shape), if_empty)
    divided: Floats = np.divide(part, whole, out=filled, where=whole != 0)
    return divided


def cumulate(n_treated: Floats, y_treated: Floats, n_control: Floats, y_control: Floats) -> Tops:
    """Tops at the end of every block, after the empty one; blocks of shape (R + 1, B)."""

    def from_zero(blocks: Floats) -> Floats:
        empty = np.zeros((blocks.shape[0], 1))
        return np.concatenate([empty, np.cumsum(blocks, axis=1)], axis=1)

    return Tops(*map(from_zero, (n_treated, y_treated, n_control, y_control)))


def tops(sums: RankedSums, treatment: int) -> Tops:
    """Tops of a ranking for one treatment against control; the other arms do not take part."""
    if not CONTROL < treatment < sums.n_arms:
        raise ContractError(
            f"treatment {treatment} is not among the treatments 1 to {sums.n_arms - 1} of these "
            "ranked sums; `campaign.treatments` numbers them in order."
        )
    return cumulate(
        sums.n[:, :, treatment],
        sums.y[:, :, treatment],
        sums.n[:, :, CONTROL],
        sums.y[:, :, CONTROL],
    )


def qini_curve(top: Tops) -> Curve:
    """Radcliffe's Qini curve: Y_T - Y_C N_T / N_C over the number of rows in the top.

    Radcliffe (2007); the same in scikit-uplift and causalml. The outcomes that treatment added
    among the treated of the top. Without control rows nothing is subtracted (scikit-uplift).
    """
    scale = ratio(top.n_treated, top.n_control, if_empty=0.0)
    return Curve(top.size, top.y_treated - top.y_control * scale)


def uplift_curve(top: Tops) -> Curve:
    """The gain curve: (Y_T / N_T - Y_C / N_C) k over the number k of rows in the top.

    Gutierrez and Gérardy (2016); scikit-uplift, causalml's ``get_cumgain``. The outcomes added had
    the whole top been treated. The mean of an empty arm is 0 (scikit-uplift).
    """
    treated = ratio(top.y_treated, top.n_treated, if_empty=0.0)
    control = ratio(top.y_control, top.n_control, if_empty=0.0)
    return Curve(top.size, (treated - control) * top.size)


def summed_scores(top: Tops) -> Curve:
    """Share q times E[ipw_score | top q], over the share q of rows: from (0, 0) to (1, ATE).

    The IPW score of a row is its outcome over its arm's share, negative in control; the shares are
    those of the data, so the score's mean is the difference in means.
    """
    share = ratio(top.size, top.size[:, -1:])
    treated = ratio(top.y_treated, top.n_treated[:, -1:])
    control = ratio(top.y_control, top.n_control[:, -1:])
    return Curve(share, treated - control)


def toc_curve(top: Tops) -> Curve:
    """Targeting operator characteristic: E[ipw_score | top q] - E[ipw_score] over the share q.

    Yadlowsky et al. (2021); how much larger the effect is in the top than in all. It ends at 0;
    at q = 0 it has the height of the first block, whose rows are tied.
    """
    total = summed_scores(top)
    mean = ratio(total.height, total.at)
    first_filled = np.argmax(total.at > 0, axis=1)[:, np.newaxis]
    mean = np.where(total.at > 0, mean, np.take_along_axis(mean, first_filled, axis=1))
    return Curve(total.at, mean - total.height[:, -1:])
