"""All that a ranking metric needs: sums per block of equal priority, arm and bootstrap replicate.

numpy fills ``RankedSums`` here, Spark in ``uplift.spark.ranked_sums``, both through the same
``RankedSumsPlan``: the plan is what must be known of all rows before any of them can be added up
(where the blocks are cut, how values are rounded), and adding up is then exact in any order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.errors import ContractError
from uplift.evaluation.checks import check_one_arm_per_unit, check_rows
from uplift.evaluation.resampling import (
    Floats,
    Ints,
    Keys,
    cell_sums,
    exact_grid,
    replicate_sums,
    round_to,
    splitmix64,
)

SAMPLE_ROWS = 100_000  # of larger logs, a sample of about this size decides where blocks are cut


@dataclass(frozen=True)
class RankedSums:
    """Head counts and outcome sums per block of equal priority, best block first.

    Replicate 0 is the data, 1..R are bootstrap replicates. With a weight of 1 / propensity, ``n``
    and ``y`` are weighted: sums over the population as if every arm had been given to all of it.
    """

    n: Floats  # (R + 1, B, K + 1) weighted head counts
    y: Floats  # (R + 1, B, K + 1) weighted outcome sums
    rows: Ints  # (B, K + 1) unweighted head counts
    priority: Floats  # (B,) mean priority of the block's rows, all arms together
    outcome_is_binary: bool
    cuts: Floats | None = None  # (B - 1,) where blocks begin, ascending; None if nobody knows rows

    def __post_init__(self) -> None:
        shapes_fit = (
            self.n.ndim == 3
            and self.n.shape == self.y.shape
            and self.rows.shape == self.n.shape[1:]
            and self.priority.shape == self.n.shape[1:2]
        )
        if not shapes_fit:
            raise ContractError(
                f"ranked sums of shapes n {self.n.shape}, y {self.y.shape}, rows "
                f"{self.rows.shape}, priority {self.priority.shape} do not belong together; give "
                "n and y as (replicates + 1, blocks, arms), rows as (blocks, arms)."
            )
        negative = int((self.n < 0).sum())
        if negative:
            raise ContractError(
                f"{negative} of {self.n.size} head counts are negative, the least is "
                f"{self.n.min():g}; weights must be positive."
            )

    @property
    def n_replicates(self) -> int:
        """R: replicates beside the data themselves."""
        return len(self.n) - 1

    @property
    def n_arms(self) -> int:
        """K + 1: control and the treatments."""
        return int(self.n.shape[2])


@dataclass(frozen=True)
class RankedSumsPlan:
    """What must be known of all rows before any of them can be added up; small, and picklable."""

    cuts: Floats  # (B - 1,) ascending; a block begins at each
    n_arms: int
    replicates: int
    seed: int
    weight_grid: float
    outcome_grid: float
    priority_grid: float
    outcome_is_binary: bool

    def add_up(
        self, priority: Floats, arm: Ints, outcome: Floats, weight: Floats, keys: Keys
    ) -> list[Floats]:
        """Sums over some of the rows, as flat arrays to be added to those of the other rows.

        Added in any order they give the same bits: weighted head counts and outcomes of the data
        and of each replicate, last plain row counts and priorities; each by block, arm and value.
        """
        n_blocks = len(self.cuts) + 1
        block = block_of(priority, self.cuts)
        cells = block * self.n_arms + arm
        n_cells = n_blocks * self.n_arms
        values = np.column_stack(
            [round_to(weight, self.weight_grid), round_to(weight * outcome, self.outcome_grid)]
        )
        weighted = replicate_sums(
            cells, values, keys, n_cells=n_cells, replicates=self.replicates, seed=self.seed
        )
        values = np.column_stack([np.ones(len(arm)), round_to(priority, self.priority_grid)])
        plain = cell_sums(cells, values, n_cells=n_cells)
        return [sums.ravel() for sums in (*weighted, plain)]

    def finish(self, parts: Sequence[Floats]) -> RankedSums:
        """``RankedSums`` from the parts summed over all rows."""
        shaped = [part.reshape(-1, self.n_arms, 2) for part in parts]
        rows, priority = shaped[-1][:, :, 0], shaped[-1][:, :, 1]
        return RankedSums(
            n=np.stack([sums[:, :, 0] for sums in shaped[:-1]]),
            y=np.stack([sums[:, :, 1] for sums in shaped[:-1]]),
            rows=rows.astype(np.int64),
            priority=priority.sum(axis=1) / rows.sum(axis=1),
            outcome_is_binary=self.outcome_is_binary,
            cuts=self.cuts,
        )


def block_of(priority: Floats, cuts: Floats) -> Ints:
    """The block of each row, 0 for the best."""
    return np.asarray(len(cuts) - np.searchsorted(cuts, priority, side="right"), dtype=np.int64)


def is_sampled(priority: Floats, keys: Keys, n_rows: int) -> npt.NDArray[np.bool_]:
    """Whether a row helps to decide where blocks are cut: all do, up to ``SAMPLE_ROWS``.

    Hashed from the row's own content, so that a partition can tell without seeing the others.
    """
    if n_rows <= SAMPLE_ROWS:
        return np.ones(len(priority), dtype=bool)
    bits = (priority + 0.0).view(np.uint64)  # + 0.0 turns a negative zero into its equal
    hashes = splitmix64(splitmix64(bits) ^ keys)
    return hashes < np.uint64(SAMPLE_ROWS / n_rows * 2**64)


def cut_points(
    sample: Floats, max_blocks: int, distinct_priorities: Callable[[], Floats]
) -> Floats:
    """Where blocks begin: at every distinct priority if they are few, else at quantiles.

    Equal priorities never part, so a quantile inside a tie moves to the tie's end.

    Args:
        sample: Priorities of the sampled rows.
        max_blocks: The most blocks there may be.
        distinct_priorities: Asked only if the sample does not already show too many.

    Returns:
        Ascending, without the lowest block's own beginning; shape (B - 1,).
    """
    if len(np.unique(sample)) <= max_blocks:
        distinct = np.unique(distinct_priorities())
        if len(distinct) <= max_blocks:
            return np.asarray(distinct[1:], dtype=np.float64)
    ordered = np.sort(sample)
    at = np.arange(1, max_blocks) * len(ordered) // max_blocks
    cuts = np.unique(ordered[at])
    return np.asarray(cuts[cuts > ordered[0]], dtype=np.float64)


def ranked_sums(
    priority: npt.ArrayLike,
    arm: npt.ArrayLike,
    outcome: npt.ArrayLike,
    *,
    n_arms: int,
    weight: npt.ArrayLike | None = None,
    keys: Keys | None = None,
    replicates: int = 0,
    seed: int = 0,
    max_blocks: int | None = None,
    one_arm_per_unit: bool = True,
) -> RankedSums:
    """Sum rows into blocks of equal priority.

    Valid only for rows that did not help to make the priority.

    Args:
        priority: What to rank by, larger is better, shape (n,).
        arm: Arm drawn, 0 is control, shape (n,).
        outcome: Shape (n,).
        n_arms: K + 1; every arm must appear.
        weight: 1 / propensity, shape (n,); None counts every row once, which is right where the
            chance of an arm is the same for all units.
        keys: ``uplift.hashing.hash_keys`` of the randomisation unit; None makes each row its own.
        replicates: R, of the Poisson bootstrap. Memory is R x blocks x arms x 16 bytes.
        seed: Of the bootstrap.
        max_blocks: Cut the ranking into at most this many blocks; None keeps every distinct
            priority apart.
        one_arm_per_unit: Refuse a randomisation unit in two arms; False for a pool of experiments,
            in each of which it was drawn anew.

    Raises:
        ContractError: A value is missing or out of its range.
        ExperimentError: An arm has no rows, or a randomisation unit is in two arms.

    Examples:
        >>> sums = ranked_sums([0.9, 0.9, 0.1], [1, 0, 0], [1.0, 0.0, 1.0], n_arms=2)
        >>> sums.n[0].tolist(), sums.y[0].tolist()
        ([[1.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]])
    """
    ranked = np.asarray(priority, dtype=np.float64)
    drawn = np.asarray(arm, dtype=np.int64)
    observed = np.asarray(outcome, dtype=np.float64)
    weights = np.ones(len(ranked)) if weight is None else np.asarray(weight, dtype=np.float64)
    units = np.arange(len(ranked), dtype=np.uint64) if keys is None else keys
    check_rows(drawn, n_arms=n_arms, priority=ranked, outcome=observed, weight=weights, keys=units)
    if keys is not None and one_arm_per_unit:
        check_one_arm_per_unit(units, drawn)
    if max_blocks is None:
        # Rows in order find their own block at once, others by a walk through memory.
        order = np.argsort(ranked)
        ranked, drawn, observed, weights, units = (
            column[order] for column in (ranked, drawn, observed, weights, units)
        )
        cuts = ranked[1:][ranked[1:] != ranked[:-1]]
    else:
        sample = ranked[is_sampled(ranked, units, len(ranked))]
        cuts = cut_points(sample, max_blocks, lambda: ranked)
    plan = RankedSumsPlan(
        cuts=cuts,
        n_arms=n_arms,
        replicates=replicates,
        seed=seed,
        weight_grid=exact_grid(float(weights.max()), len(ranked)),
        outcome_grid=exact_grid(float(np.abs(weights * observed).max()), len(ranked)),
        priority_grid=exact_grid(float(np.abs(ranked).max()), len(ranked)),
        outcome_is_binary=bool(np.isin(observed, (0.0, 1.0)).all()),
    )
    return plan.finish(plan.add_up(ranked, drawn, observed, weights, units))
