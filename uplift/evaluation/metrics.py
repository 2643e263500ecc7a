"""Numbers for a ranking, each one definition of the field under its own name; signs are kept.

Every function takes ``RankedSums`` and the number of a treatment, compares that arm with control,
and returns one value per replicate, shape (R + 1,): the data's first. Where an arm is empty or a
norm is 0 the answer is not a number, not a guess.

Invariants: the order of rows inside a tie, and any strictly increasing transform of the priority,
change nothing; a constant priority is worth 0 (of ``auuc``, about half); a ranking turned round is
negative where the ranking was good.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from uplift.arms import CONTROL
from uplift.errors import ContractError
from uplift.evaluation.curves import (
    Curve,
    Tops,
    cumulate,
    qini_curve,
    ratio,
    summed_scores,
    tops,
    uplift_curve,
)
from uplift.evaluation.ranked_sums import RankedSums
from uplift.evaluation.resampling import Floats


def ate(sums: RankedSums, treatment: int) -> Floats:
    """Average effect: difference in mean outcome, weighted where the sums are."""
    return tops(sums, treatment).mean_difference()[:, -1]


def radcliffe_q(sums: RankedSums, treatment: int) -> Floats:
    """Area between the Qini curve and its chord, over N squared (Radcliffe and Surry 2011)."""
    curve = qini_curve(tops(sums, treatment))
    return ratio(curve.area_above_chord(), curve.at[:, -1] ** 2)


def qini_auc(sums: RankedSums, treatment: int, *, negative_effect: bool = True) -> Floats:
    """scikit-uplift's ``qini_auc_score``: the area above the chord over that of a perfect ranking.

    Args:
        sums: Of a 0/1 outcome.
        treatment: Compared with control.
        negative_effect: True takes as perfect the ranking treated responders, non-responders,
            control responders; False a line that rises by one per row to the total effect and
            then stays, which exists only if that effect is positive.
    """
    top = _tops_of_binary(sums, treatment, "qini_auc")
    curve = qini_curve(top)
    if negative_effect:
        perfect = qini_curve(_perfect_for_qini(top)).area_above_chord()
    else:
        total = np.where(curve.height[:, -1] > 0, curve.height[:, -1], np.nan)
        # Triangle and rectangle, less the chord's triangle.
        perfect = total**2 / 2 + total * (curve.at[:, -1] - total) - total * curve.at[:, -1] / 2
    return ratio(curve.area_above_chord(), perfect)


def uplift_auc(sums: RankedSums, treatment: int) -> Floats:
    """scikit-uplift's ``uplift_auc_score``: as ``qini_auc``, with the gain curve; 0/1 outcomes."""
    top = _tops_of_binary(sums, treatment, "uplift_auc")
    perfect = uplift_curve(_perfect_for_uplift(top)).area_above_chord()
    return ratio(uplift_curve(top).area_above_chord(), perfect)


def auuc(sums: RankedSums, treatment: int) -> Floats:
    """The ``auuc_score`` of causalml: mean of gain(k) / |gain(N)| over k = 0..N.

    About half for a constant priority; it explodes where the average effect is near 0. causalml
    itself depends on the order of rows inside ties, this does not.
    """
    top = tops(sums, treatment)
    lift = _straight_to_first(top.mean_difference(), top.size)
    gain = Curve(top.size, lift * top.size)
    return ratio(_mean_over_rows(gain), np.abs(gain.height[:, -1]))


def qini_score(sums: RankedSums, treatment: int) -> Floats:
    """The ``qini_score`` of causalml: mean of (Q(k) - chord(k)) / |Q(N)| over k = 0..N."""
    top = tops(sums, treatment)
    raw = top.y_treated - top.y_control * ratio(top.n_treated, top.n_control)
    curve = Curve(top.size, _straight_to_first(raw, top.size))
    above = _mean_over_rows(curve) - curve.height[:, -1] / 2
    return ratio(above, np.abs(curve.height[:, -1]))


def separate_auuc(sums: RankedSums, treatment: int) -> Floats:
    """Criteo's "separate, relative" AUUC (Diemert et al. 2021): each arm ranked by itself.

    Area under Y_T(q) / N_T - Y_C(q) / N_C, q being the share of each arm's own rows. For a 0/1
    outcome it is a sum of two ROC areas. Half the average effect for a constant priority.
    """
    top = tops(sums, treatment)
    n_treated, n_control = top.n_treated[:, -1:], top.n_control[:, -1:]
    treated = Curve(ratio(top.n_treated, n_treated), ratio(top.y_treated, n_treated))
    control = Curve(ratio(top.n_control, n_control), ratio(top.y_control, n_control))
    return treated.area() - control.area()


def autoc(sums: RankedSums, treatment: int) -> Floats:
    """RATE with equal weights: the mean of TOC(q) over q (Yadlowsky et al. 2021), in outcome units.

    Rewards a small, strongly responding top. The integral of the continuous curve with ties spread
    evenly; grf sums over rows, which differs by the order of log(N) / N.
    """
    scores = summed_scores(tops(sums, treatment))
    start, end = scores.at[:, :-1], scores.at[:, 1:]
    slope = ratio(np.diff(scores.height, axis=1), end - start, if_empty=0.0)
    # In a block TOC(q) + ATE = slope + (height - slope * start) / q, where the line through the
    # block meets q = 0 at that height; the first block's line meets it at 0.
    intercept = scores.height[:, :-1] - slope * start
    logs = np.log(ratio(end, start, if_empty=1.0))
    return np.asarray((intercept * logs).sum(axis=1))


def rate_qini(sums: RankedSums, treatment: int) -> Floats:
    """RATE weighted by q: the mean of q TOC(q) over q (Yadlowsky et al. 2021), in outcome units."""
    return summed_scores(tops(sums, treatment)).area_above_chord()


def uplift_at(
    sums: RankedSums,
    treatment: int,
    share: float,
    *,
    strategy: Literal["overall", "by_group"] = "overall",
) -> Floats:
    """Difference in mean outcome in the best ``share`` of rows.

    ``overall`` takes the best rows of both arms pooled, ``by_group`` the best of each arm. A block
    across the edge counts in proportion: what a random order of its ties gives on average.
    """
    if not 0 < share <= 1:
        raise ContractError(
            f"share {share} of the rows is not in (0, 1]; give 0.1 for the top tenth."
        )
    return _tops_at(tops(sums, treatment), np.array([share]), strategy).mean_difference()[:, 0]


@dataclass(frozen=True)
class UpliftByBin:
    """Rows cut into bins of equal size, best first."""

    uplift: Floats  # (R + 1, bins) difference in mean outcome
    predicted: Floats  # (bins,) mean priority; a prediction only if the priority was the cate
    n_treated: Floats  # (bins,) weighted rows in the data
    n_control: Floats


def uplift_by_bin(sums: RankedSums, treatment: int, *, bins: int = 10) -> UpliftByBin:
    """Measured effect per bin of the ranking; a block across an edge is shared in proportion."""
    if bins < 1:
        raise ContractError(f"{bins} bins cannot hold the ranking; give at least 1.")
    top = tops(sums, treatment)
    edges = np.arange(bins + 1) / bins
    inside = Tops(
        *(np.diff(column, axis=1) for column in _columns(_tops_at(top, edges, "overall")))
    )
    size = sums.n[:1, :, CONTROL] + sums.n[:1, :, treatment]
    summed = np.concatenate([[0.0], np.cumsum(size[0] * sums.priority)])
    at_edges = np.interp(edges * top.size[0, -1], top.size[0], summed)
    return UpliftByBin(
        uplift=inside.mean_difference(),
        predicted=ratio(np.diff(at_edges), inside.size[0]),
        n_treated=inside.n_treated[0],
        n_control=inside.n_control[0],
    )


def _columns(top: Tops) -> tuple[Floats, Floats, Floats, Floats]:
    return top.n_treated, top.y_treated, top.n_control, top.y_control


def _tops_at(top: Tops, shares: Floats, strategy: Literal["overall", "by_group"]) -> Tops:
    """Tops that hold these shares of the rows, straight between block ends."""
    treated, control = top.size, top.size
    if strategy == "by_group":
        treated, control = top.n_treated, top.n_control

    def at(position: Floats, values: Floats) -> Floats:
        pairs = zip(position, values, strict=True)
        return np.stack([np.interp(shares * ends[-1], ends, row) for ends, row in pairs])

    return Tops(
        at(treated, top.n_treated),
        at(treated, top.y_treated),
        at(control, top.n_control),
        at(control, top.y_control),
    )


def _mean_over_rows(curve: Curve) -> Floats:
    """Mean height at k = 0..N, of a curve straight between its points that starts at 0."""
    return (curve.area() + curve.height[:, -1] / 2) / (curve.at[:, -1] + 1)


def _straight_to_first(height: Floats, at: Floats) -> Floats:
    """How causalml begins a curve: a line from 0 to the first point that has a height."""
    known = np.isfinite(height) & (at > 0)
    first = np.argmax(known, axis=1)[:, np.newaxis]
    end, end_height = (np.take_along_axis(column, first, axis=1) for column in (at, height))
    return np.where(known, height, end_height * ratio(at, end))


def _tops_of_binary(sums: RankedSums, treatment: int, metric: str) -> Tops:
    if not sums.outcome_is_binary:
        raise ContractError(
            f"`{metric}` counts responders, but the outcome has other values than 0 and 1. "
            "Use `radcliffe_q` or `autoc`, or evaluate on `conversion`."
        )
    return tops(sums, treatment)


def _perfect_for_qini(top: Tops) -> Tops:
    """Blocks: treated responders; non-responders; control responders."""
    n_t, y_t, n_c, y_c = (column[:, -1] for column in _columns(top))
    none = np.zeros_like(n_t)
    return cumulate(
        n_treated=np.stack([y_t, n_t - y_t, none], axis=1),
        y_treated=np.stack([y_t, none, none], axis=1),
        n_control=np.stack([none, n_c - y_c, y_c], axis=1),
        y_control=np.stack([none, none, y_c], axis=1),
    )


def _perfect_for_uplift(top: Tops) -> Tops:
    """Blocks: treated responders; control non-responders; then the smaller of the other two last.

    The order of Devriendt et al. (2020) as scikit-uplift has it: control responders come before
    treated non-responders where they are more.
    """
    n_t, y_t, n_c, y_c = (column[:, -1] for column in _columns(top))
    none = np.zeros_like(n_t)
    lost_treated = n_t - y_t
    control_first = y_c > lost_treated
    return cumulate(
        n_treated=np.stack(
            [
                y_t,
                none,
                np.where(control_first, 0.0, lost_treated),
                np.where(control_first, lost_treated, 0.0),
            ],
            axis=1,
        ),
        y_treated=np.stack([y_t, none, none, none], axis=1),
        n_control=np.stack(
            [none, n_c - y_c, np.where(control_first, y_c, 0.0), np.where(control_first, 0.0, y_c)],
            axis=1,
        ),
        y_control=np.stack(
            [none, none, np.where(control_first, y_c, 0.0), np.where(control_first, 0.0, y_c)],
            axis=1,
        ),
    )
