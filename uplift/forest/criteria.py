"""What makes a split good, and the search for the best one in the histograms of nodes.

A node P is split into children L and R. S is a sum of weights (rows, where there are none), B one
of weighted outcomes, and m_k = B_k / S_k the mean outcome in arm k. Means of children are shrunk
to those of their parent by ``shrinkage`` rows before they are compared.

* ``causal``: heterogeneity of the effect. With a node's own means as the only nuisance, the doubly
  robust score of row i for treatment k, less the node's effect, is
  rho_ik = 1{W=k} (Y - m_k) / p_k - 1{W=0} (Y - m_0) / p_0 with p_k = S_k / S. The same number is
  the gradient step of a generalised random forest for several treatments (Athey, Tibshirani and
  Wager, Annals of Statistics 2019, section 2.3: its A^-1 (W - mean W) is 1/p_k for a row of arm k
  and -1/p_0 for one of control). The gain is the sum over k of S_L rho_Lk^2 + S_R rho_Rk^2, over
  S_P, with rho_Lk the mean over L.
* ``kl``, ``euclidean``, ``chi_square``: S_L/S_P D(L) + S_R/S_P D(R) - D(P) with D the divergence
  of every treatment's outcome distribution from that of control, summed over treatments
  (Rzepakowski and Jaroszewicz, Knowledge and Information Systems 2012). For 0/1 outcomes with
  chances p and q: Kullback-Leibler; 2 (p - q)^2; (p - q)^2 / (q (1 - q)). For other outcomes:
  Kullback-Leibler of normal distributions with the arms' means and variances; 2 (m_k - m_0)^2;
  (m_k - m_0)^2 / variance of control. Normalised they are divided by the I of the same paper, which
  punishes splits that part the arms: the sum over k of H(n_k, n_0) D(P_k : P_0), plus that over all
  arms of n_k/n H(P_k), plus 1/2, with P_k the shares of arm k that go to L and to R, and H the
  entropy for ``kl``, else the Gini index (their alpha, which weighs pooled treatments, is 0).
* ``cts``: the same with D the largest mean of any arm, control included: what one gains by
  treating L and R apart (Zhao, Fang and Simchi-Levi, SIAM Data Mining 2017).
* ``ddp``: the sum over treatments of |(m_Lk - m_L0) - (m_Rk - m_R0)| (Hansotia and Rukstales,
  Journal of Interactive Marketing 2002, delta delta p). It ignores how large the children are.

Everything stands in one file because numba looks at one file when it asks whether its cache is
stale.
"""

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from uplift.forest.moments import Layout
from uplift.forest.rules import Flags, Integers, Rules, Splits

Matrix: TypeAlias = npt.NDArray[np.float64]

CAUSAL, KL, EUCLIDEAN, CHI_SQUARE, CTS, DDP = range(6)
NEEDS_SQUARES = (KL, CHI_SQUARE)

_EPSILON = 1e-6  # a chance counts as at least this far from 0 and 1
_LEAST_VARIANCE = 1e-3  # of a child's arm, as a share of the node's mean variance
_LEAST_GAIN = 1e-12  # relative to the squared means: less is rounding

_WEIGHT, _OUTCOME = 1, 2  # columns of the sums
_MEAN, _PER_SHARE = 2, 3  # columns of a node


@njit(nogil=True, cache=True, error_model="numpy")
def split_gain(
    criterion: int, is_binary: bool, low: Matrix, total: Matrix, node: Matrix, shrinkage: float
) -> float:
    """What the split of a node into a low child and the rest gains.

    Args:
        criterion: Its number in ``uplift.forest.settings.CRITERIA``.
        is_binary: Outcomes are 0 or 1.
        low: Per arm n, S, B and the weighted sum of squared outcomes, shape (n_arms, 4).
        total: The same of the node.
        node: Per arm mean and mean square that children shrink to, mean, and 1 / share of the
            node's weight, shape (n_arms, 4).
        shrinkage: With how many rows per arm they do.
    """
    s_low, s_all = 0.0, 0.0
    for arm in range(len(low)):
        s_low += low[arm, _WEIGHT]
        s_all += total[arm, _WEIGHT]
    s_high = s_all - s_low
    if criterion == CAUSAL:
        squares = 0.0
        pull = (low[0, _OUTCOME] - low[0, _WEIGHT] * node[0, _MEAN]) * node[0, _PER_SHARE]
        for arm in range(1, len(low)):  # sum of rho over L; over R it is minus that
            moved = (low[arm, _OUTCOME] - low[arm, _WEIGHT] * node[arm, _MEAN]) * node[
                arm, _PER_SHARE
            ] - pull
            squares += moved * moved
        mixed = shrinkage * len(low)
        per_row = s_low / (s_low + mixed) ** 2 + s_high / (s_high + mixed) ** 2
        return squares * per_row / s_all
    low_mean, high_mean = np.empty((len(low), 2)), np.empty((len(low), 2))
    for arm in range(len(low)):
        weight = low[arm, _WEIGHT]
        for moment in range(2):
            mixed = shrinkage * node[arm, moment]
            sum_low = low[arm, _OUTCOME + moment]
            sum_high = total[arm, _OUTCOME + moment] - sum_low
            low_mean[arm, moment] = (sum_low + mixed) / (weight + shrinkage)
            high_mean[arm, moment] = (sum_high + mixed) / (total[arm, _WEIGHT] - weight + shrinkage)
    if criterion == DDP:
        gain = 0.0
        for arm in range(1, len(low)):
            effect = low_mean[arm, 0] - low_mean[0, 0]
            gain += abs(effect - (high_mean[arm, 0] - high_mean[0, 0]))
        return gain
    least = 0.0
    for arm in range(len(node)):
        least += _LEAST_VARIANCE * (node[arm, 1] - node[arm, 0] ** 2) / len(node)
    share = s_low / s_all
    return (
        share * _metric(criterion, is_binary, low_mean, least)
        + (1.0 - share) * _metric(criterion, is_binary, high_mean, least)
        - _metric(criterion, is_binary, node, least)
    )


@njit(nogil=True, cache=True, error_model="numpy")
def normaliser(criterion: int, low: Matrix, total: Matrix) -> float:
    """I of the module's docstring, for a split of ``total`` into ``low`` and the rest."""
    s_all = total[:, _WEIGHT].sum()
    q = low[0, _WEIGHT] / total[0, _WEIGHT]
    value: float = 0.5 + total[0, _WEIGHT] / s_all * _impurity(criterion, q)
    for arm in range(1, len(low)):
        p = low[arm, _WEIGHT] / total[arm, _WEIGHT]
        pair = total[arm, _WEIGHT] / (total[arm, _WEIGHT] + total[0, _WEIGHT])
        value += _impurity(criterion, pair) * _divergence(criterion, p, q)
        value += total[arm, _WEIGHT] / s_all * _impurity(criterion, p)
    return float(value)


@njit(nogil=True, cache=True, error_model="numpy")
def _impurity(criterion: int, p: float) -> float:
    if criterion != KL:
        return 2.0 * p * (1.0 - p)
    entropy = 0.0
    for share in (p, 1.0 - p):
        if share > 0.0:
            entropy -= share * math.log(share)
    return entropy


@njit(nogil=True, cache=True, error_model="numpy")
def _divergence(criterion: int, p: float, q: float) -> float:
    """D for 0/1 outcomes with chances p and q."""
    off = (p - q) ** 2
    if criterion == EUCLIDEAN:
        return 2.0 * off
    q = min(max(q, _EPSILON), 1.0 - _EPSILON)
    if criterion == CHI_SQUARE:
        return float(off / (q * (1.0 - q)))
    divergence = 0.0
    if p > 0.0:
        divergence += p * math.log(p / q)
    if p < 1.0:
        divergence += (1.0 - p) * math.log((1.0 - p) / (1.0 - q))
    return divergence


@njit(nogil=True, cache=True, error_model="numpy")
def _metric(criterion: int, is_binary: bool, means: Matrix, least: float) -> float:
    """D of the module's docstring."""
    control = means[0, 0]
    if criterion == CTS:
        return float(means[:, 0].max())
    spread = max(means[0, 1] - control**2, least, 1e-300)
    metric = 0.0
    for arm in range(1, len(means)):
        p = means[arm, 0]
        if is_binary or criterion == EUCLIDEAN:
            metric += _divergence(criterion, p, control)
        elif criterion == CHI_SQUARE:
            metric += (p - control) ** 2 / spread
        else:
            own = max(means[arm, 1] - p**2, least, 1e-300)
            metric += 0.5 * (math.log(spread / own) + (own + (p - control) ** 2) / spread - 1.0)
    return metric


@njit(nogil=True, cache=True, error_model="numpy")
def _n_rows(cells: Integers, is_packed: bool) -> int:
    """Rows of all arms."""
    n = 0
    for arm in range(len(cells)):
        n += cells[arm, 0] >> 32 if is_packed else cells[arm, 0]
    return n


@njit(nogil=True, cache=True, error_model="numpy")
def _read(cells: Integers, layout: Layout, into: Matrix) -> None:
    """The sums of one node's arms, shape (n_arms, width), as numbers with units."""
    n_all = float(_n_rows(cells, layout.is_packed))
    for arm in range(len(cells)):
        if layout.is_packed:
            n = float(cells[arm, 0] >> 32)
            y = float(cells[arm, 0] & 0xFFFFFFFF)
            into[arm, 0], into[arm, 1], into[arm, 2], into[arm, 3] = n, n, y, y
            continue
        n = float(cells[arm, 0])
        place, weight = 1, n_all if layout.is_scored else n
        if layout.is_weighted:
            place, weight = 2, float(cells[arm, 1]) * layout.weight_unit
        y = float(cells[arm, place]) * layout.outcome_unit
        square = y
        if layout.has_squares:
            square = float(cells[arm, place + 1]) * layout.square_unit
        into[arm, 0], into[arm, 1], into[arm, 2], into[arm, 3] = n, weight, y, square


@njit(nogil=True, cache=True, error_model="numpy")
def _describe(total: Matrix, means: Matrix, node: Matrix) -> None:
    """Fill ``node`` as ``split_gain`` wants it."""
    weight = total[:, _WEIGHT].sum()
    for arm in range(len(total)):
        node[arm, 0], node[arm, 1] = means[arm, 0], means[arm, 1]
        node[arm, _MEAN] = total[arm, _OUTCOME] / total[arm, _WEIGHT]
        node[arm, _PER_SHARE] = weight / total[arm, _WEIGHT]


@njit(nogil=True, cache=True, error_model="numpy")
def best_splits(
    histograms: npt.NDArray[np.int64],
    first_bin: Integers,
    allowed: Flags,
    node_means: npt.NDArray[np.float64],
    layout: Layout,
    rules: Rules,
) -> Splits:
    """The best split of every node; of equal ones that of the first feature and lowest bin.

    Args:
        histograms: Sums, shape (m, bins of all features, n_arms, width).
        first_bin: Where each feature's bins start, and the end, shape (d + 1,).
        allowed: Features each node may split on, shape (m, d).
        node_means: Mean and mean square of every node and arm, shape (m, n_arms, 2).
        layout: How to read the sums.
        rules: What a split must fulfil.
    """
    n_nodes, _, n_arms, width = histograms.shape
    best = Splits(
        np.full(n_nodes, -1, np.int64),
        np.zeros(n_nodes, np.int64),
        np.zeros(n_nodes, np.bool_),
        np.zeros(n_nodes),
        np.zeros((n_nodes, n_arms, width), np.int64),
    )
    low, side = np.empty((n_arms, width), np.int64), np.empty((n_arms, width), np.int64)
    low_sums, sums, node = np.empty((n_arms, 4)), np.empty((n_arms, 4)), np.empty((n_arms, 4))
    for number in range(n_nodes):
        histogram = histograms[number]
        total = np.zeros((n_arms, width), np.int64)
        for place in range(first_bin[0], first_bin[1]):
            total += histogram[place]
        _read(total, layout, sums)
        _describe(sums, node_means[number], node)
        rows = _n_rows(total, layout.is_packed)
        floor = max(rules.min_leaf_rows, rules.min_child_share * rows)
        best.gain[number] = _LEAST_GAIN * (node[:, 0] ** 2).sum()
        for feature in range(len(first_bin) - 1):
            if not allowed[number, feature]:
                continue
            start, last = first_bin[feature], first_bin[feature + 1] - 1
            missing = histogram[last]
            n_missing = _n_rows(missing, layout.is_packed)
            low[:] = 0
            n_known = 0
            for place in range(start, last):
                n_here = _n_rows(histogram[place], layout.is_packed)
                if n_here == 0:
                    continue
                n_known += n_here
                for arm in range(n_arms):
                    for entry in range(width):
                        low[arm, entry] += histogram[place, arm, entry]
                for with_missing in range(2 if n_missing else 1):
                    n_low = n_known + with_missing * n_missing
                    if min(n_low, rows - n_low) < floor:
                        continue
                    for arm in range(n_arms):
                        for entry in range(width):
                            side[arm, entry] = low[arm, entry] + with_missing * missing[arm, entry]
                    _read(side, layout, low_sums)
                    fewest = float(rows)
                    for arm in range(n_arms):
                        n = low_sums[arm, 0]
                        fewest = min(fewest, n, sums[arm, 0] - n)
                    if fewest < rules.min_arm_rows:
                        continue
                    gain = split_gain(
                        rules.criterion, layout.is_binary, low_sums, sums, node, rules.shrinkage
                    )
                    if rules.is_normalised:
                        gain /= normaliser(rules.criterion, low_sums, sums)
                    if gain > best.gain[number]:
                        best.gain[number] = gain
                        best.feature[number] = feature
                        best.split[number] = place - start
                        with_more = 2 * n_low >= rows  # nothing missing here: the larger side
                        best.missing_low[number] = with_missing == 1 if n_missing else with_more
                        best.low[number] = side
    return best
