"""The forest: grown from rows, answering as flat arrays."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from uplift.arms import CONTROL
from uplift.ensemble import FlatEnsemble
from uplift.errors import ContractError
from uplift.forest.bins import MOST_BINS, Bins, Matrix, Vector
from uplift.forest.compiled import compile_forest
from uplift.forest.criteria import NEEDS_SQUARES
from uplift.forest.grow import EstimatedTree, grow_tree
from uplift.forest.histograms import Sums, add_all
from uplift.forest.honest import arm_means, node_values
from uplift.forest.log import ForestRows
from uplift.forest.moments import moments
from uplift.forest.nodes import Tree
from uplift.forest.plan import LogPlan, plan_log
from uplift.forest.settings import CRITERIA, ForestSettings

NodeSums: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ForestTree:
    """One tree with what its nodes say.

    Attributes:
        tree: The structure.
        n_rows: Rows of the estimating half by node and arm, shape (M, n_arms).
        expected_outcome: By node and arm, shape (M, n_arms).
    """

    tree: Tree
    n_rows: NodeSums
    expected_outcome: Matrix


@dataclass(frozen=True, eq=False)
class CausalForest:
    """Expected outcomes per arm, and the trees they came from.

    Attributes:
        ensemble: Answers with the expected outcome of every arm.
        trees: In the order of the ensemble.
        bins: How features were cut.
        settings: How it was grown.
    """

    ensemble: FlatEnsemble
    trees: tuple[ForestTree, ...]
    bins: Bins
    settings: ForestSettings

    def expected_outcome(self, features: Matrix) -> Matrix:
        """Expected outcome in every arm, control first, shape (n, K + 1)."""
        return self.ensemble.predict(features)

    def cate(self, features: Matrix) -> Matrix:
        """Expected outcome of every treatment minus that of control, shape (n, K)."""
        expected = self.expected_outcome(features)
        return np.delete(expected, CONTROL, axis=1) - expected[:, [CONTROL]]

    def importance(self) -> Vector:
        """Share of each feature in what all splits gained, shape (d,); zeros without a split.

        A split counts with the share of its tree's rows that it parts. Honest rows are counted;
        the gains were found on the others, so a feature of noise is not at zero.
        """
        total = np.zeros(self.bins.n_features)
        for grown in self.trees:
            is_split = grown.tree.feature >= 0
            rows = grown.n_rows.sum(axis=1)
            gained = grown.tree.gain * rows / max(rows[0], 1.0)
            np.add.at(total, grown.tree.feature[is_split], gained[is_split])
        return total / total.sum() if total.sum() > 0.0 else total


def grow_forest(
    rows: ForestRows,
    n_arms: int,
    *,
    settings: ForestSettings,
    seed: int,
    categorical: Sequence[int] = (),
    max_bins: int = MOST_BINS,
    n_threads: int | None = None,
) -> CausalForest:
    """Grow a forest; the same for a seed whatever the threads and the order of keyed rows.

    Valid when arms were drawn at random given the features. Where chances differ within an arm,
    rows are weighted by stabilised inverse propensities.

    Args:
        rows: The log.
        n_arms: K + 1.
        settings: What is grown and how far.
        seed: Of every random choice.
        categorical: Columns whose numbers are categories, 0 to 64,999.
        max_bins: Most bins of a number.
        n_threads: Threads; None takes one per core.

    Raises:
        ContractError: An arm number or a category is out of range.
        ExperimentError: An arm has no row.
    """
    if seed < 0:
        raise ContractError(f"seed is {seed}; it must not be negative (`training.seed`).")
    needs_squares = CRITERIA[settings.criterion] in NEEDS_SQUARES
    plan = plan_log(
        rows, n_arms, categorical=categorical, max_bins=max_bins, needs_squares=needs_squares
    )
    with ThreadPoolExecutor(n_threads or os.cpu_count()) as workers:
        log = plan.code(rows, workers)
        numbers = range(settings.n_trees)
        grown = list(workers.map(lambda n: grow_tree(log, settings, seed=seed, number=n), numbers))
    total = np.zeros((n_arms, plan.layout.width), dtype=np.int64)
    add_all(log.arm, log.values, total)
    return assemble(grown, total, plan, settings)


def assemble(
    grown: Sequence[EstimatedTree], total: Sums, plan: LogPlan, settings: ForestSettings
) -> CausalForest:
    """Fill the leaves from the sums and compile.

    Args:
        grown: All trees in their order.
        total: Sums of the whole log by arm, shape (n_arms, width).
        plan: Of the log.
        settings: Of the forest.
    """
    layout = plan.layout
    prior = arm_means(total, layout)
    values = [
        node_values(g.tree, g.sums, layout, prior=prior, shrinkage=settings.leaf_shrinkage)
        for g in grown
    ]
    trees = tuple(
        ForestTree(g.tree, moments(g.sums, layout).n, value)
        for g, value in zip(grown, values, strict=True)
    )
    ensemble = compile_forest(
        [g.tree for g in grown], values, plan.bins, trees_per_group=settings.trees_per_group
    )
    return CausalForest(ensemble, trees, plan.bins, settings)
