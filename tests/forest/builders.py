"""Small logs, and a search for the best split that is plain to read."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from uplift.forest import CausalForest, ForestRows, ForestSettings, grow_forest
from uplift.forest.bins import Matrix, Vector

ONE_TREE = ForestSettings(
    n_trees=1,
    trees_per_group=1,
    sample_share=1.0,
    is_honest=False,
    max_depth=1,
    min_leaf_rows=1,
    min_arm_rows=1,
    min_child_share=0.0,
)


def a_log(seed: int = 0, *, n_rows: int = 2000, n_features: int = 4, n_arms: int = 3) -> ForestRows:
    """A 0/1 outcome; arm 1 helps where feature 0 is positive, arm 2 where feature 1 is."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_rows, n_features))
    arm = rng.integers(0, n_arms, n_rows)
    chance = 0.2 + 0.3 * (arm == 1) * (features[:, 0] > 0) + 0.3 * (arm == 2) * (features[:, 1] > 0)
    return ForestRows(
        features=features,
        arm=arm,
        outcome=(rng.random(n_rows) < chance).astype(np.float64),
        propensity=np.full(n_rows, 1.0 / n_arms),
        keys=rng.integers(0, 2**63, n_rows).astype(np.uint64),
    )


def small_settings(**changed: Any) -> ForestSettings:
    """A few shallow trees."""
    defaults: dict[str, Any] = {
        "n_trees": 8,
        "max_depth": 4,
        "min_leaf_rows": 20,
        "min_arm_rows": 4,
    }
    return ForestSettings(**(defaults | changed))


def small_forest(rows: ForestRows, seed: int = 5, **changed: Any) -> CausalForest:
    return grow_forest(
        rows, int(rows.arm.max()) + 1, settings=small_settings(**changed), seed=seed, n_threads=1
    )


def arm_sums(arm: Vector, outcome: Vector, n_arms: int) -> Matrix:
    """Per arm n, S, B and the sum of squares, shape (n_arms, 4), for rows of weight 1."""
    return np.array(
        [
            [
                np.sum(arm == k),
                np.sum(arm == k),
                outcome[arm == k].sum(),
                (outcome[arm == k] ** 2).sum(),
            ]
            for k in range(n_arms)
        ],
        dtype=np.float64,
    )


def gain_by_definition(criterion: str, arm: Vector, outcome: Vector, low: Vector) -> float:
    """The gain of sending the rows ``low`` to one side, from the rows themselves."""
    arms = range(1, int(arm.max()) + 1)
    sides = (np.asarray(low), ~np.asarray(low))
    everybody = np.ones(len(arm), dtype=bool)
    is_binary = bool(np.isin(outcome, (0.0, 1.0)).all())

    def mean(rows: Vector, k: int) -> float:
        return float(outcome[rows & (arm == k)].mean())

    def variance(rows: Vector, k: int) -> float:
        own = float(outcome[rows & (arm == k)].var())
        everywhere = [float(outcome[arm == j].var()) for j in range(int(arm.max()) + 1)]
        return max(own, 1e-3 * sum(everywhere) / len(everywhere), 1e-300)

    def divergence(rows: Vector, k: int) -> float:
        p, control = mean(rows, k), mean(rows, 0)
        if criterion == "euclidean":
            return 2.0 * (p - control) ** 2
        q = min(max(control, 1e-6), 1.0 - 1e-6)
        if criterion == "chi_square":
            return (p - control) ** 2 / (q * (1.0 - q) if is_binary else variance(rows, 0))
        if is_binary:
            return sum(a * math.log(a / b) for a, b in ((p, q), (1.0 - p, 1.0 - q)) if a > 0.0)
        own, other = variance(rows, k), variance(rows, 0)
        return 0.5 * (math.log(other / own) + (own + (p - control) ** 2) / other - 1.0)

    if criterion == "ddp":
        effects = [[mean(side, k) - mean(side, 0) for k in arms] for side in sides]
        return sum(abs(a - b) for a, b in zip(*effects, strict=True))
    if criterion == "causal":
        share = [np.mean(arm == k) for k in range(int(arm.max()) + 1)]
        total = 0.0
        for k in arms:
            score = (arm == k) * (outcome - mean(everybody, k)) / share[k]
            score = score - (arm == 0) * (outcome - mean(everybody, 0)) / share[0]
            total += sum(np.sum(side) * score[side].mean() ** 2 for side in sides)
        return float(total / len(arm))

    def metric(rows: Vector) -> float:
        if criterion == "cts":
            return max(mean(rows, k) for k in (0, *arms))
        return sum(divergence(rows, k) for k in arms)

    return float(sum(np.mean(side) * metric(side) for side in sides) - metric(everybody))


def normaliser_by_definition(criterion: str, arm: Vector, low: Vector) -> float:
    """Rzepakowski and Jaroszewicz's I of a split into ``low`` and the rest, from the rows."""

    def impurity(*shares: float) -> float:
        if criterion == "kl":
            return -sum(p * math.log(p) for p in shares if p > 0.0)
        return 1.0 - sum(p * p for p in shares)

    n, n_control = len(arm), int((arm == 0).sum())
    q = float(low[arm == 0].mean())
    value = 0.5 + n_control / n * impurity(q, 1.0 - q)
    for k in range(1, int(arm.max()) + 1):
        n_arm, p = int((arm == k).sum()), float(low[arm == k].mean())
        both = n_arm + n_control
        divergence = {
            "kl": lambda p=p: sum(
                a * math.log(a / b) for a, b in ((p, q), (1.0 - p, 1.0 - q)) if a > 0.0
            ),
            "euclidean": lambda p=p: (p - q) ** 2 + (p - q) ** 2,
            "chi_square": lambda p=p: (p - q) ** 2 / q + (p - q) ** 2 / (1.0 - q),
        }[criterion]()
        value += impurity(n_arm / both, n_control / both) * divergence
        value += n_arm / n * impurity(p, 1.0 - p)
    return value


def possible_splits(column: Vector) -> Iterator[tuple[float, bool, Vector]]:
    """Every threshold and side for missing values, with the rows that go low."""
    missing = np.isnan(column)
    for threshold in np.unique(column[~missing]):
        for missing_low in (False, True):
            yield float(threshold), missing_low, np.where(missing, missing_low, column <= threshold)
