"""A trial: fit a plan on all folds but one, rank that one, and so on round."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from uplift.config import Evaluation
from uplift.evaluation.comparison import choose, mean_autoc
from uplift.evaluation.resampling import Floats, Ints
from uplift.evaluation.uncertainty import Estimate, from_replicates
from uplift.hashing import hash_keys
from uplift.learners.cross_validation import by_fold, held_out_effects
from uplift.learners.data import TrainingData
from uplift.learners.families import RESPONSE
from uplift.learners.fit import Plan


@dataclass(frozen=True, eq=False)
class Trial:
    """A plan and how well it ranked what it had not seen.

    Attributes:
        name: Of the candidate.
        plan: What was fitted.
        replicates: AUTOC in outcome units, shape (R + 1,), the data's first.
        level: Of intervals.
    """

    name: str
    plan: Plan
    replicates: Floats
    level: float

    @property
    def autoc(self) -> Estimate:
        """Averaged over folds and treatments; its interval compares, see ``mean_autoc``."""
        return from_replicates(self.replicates, level=self.level)


def hold_trial(
    name: str,
    plan: Plan,
    data: TrainingData,
    outcome: str,
    n_arms: int,
    *,
    categorical: Sequence[int],
    n_folds: int,
    salt: str,
    how: Evaluation,
) -> Trial:
    """How well a plan ranks rows that its models have not seen.

    Args:
        name: Of the candidate.
        plan: What is fitted.
        data: All rows, with that outcome.
        outcome: ``conversion`` or ``revenue``.
        n_arms: K + 1.
        categorical: Columns whose numbers are categories.
        n_folds: How many parts of the rows take their turn.
        salt: Of the folds; the same for all candidates.
        how: Replicates, blocks, seed and level.

    Raises:
        OverlapError: The plan's method is not valid for the propensities of the log.
    """
    effects, fold = held_out_effects(
        data,
        lambda learned: plan.fit(learned, outcome, n_arms, categorical=categorical),
        n_folds=n_folds,
        salt=salt,
    )
    replicates = _ranked(data, effects, fold, how, replicates=how.replicates)
    return Trial(name, plan, replicates, how.level)


def fold_metrics(
    plan: Plan,
    data: TrainingData,
    outcome: str,
    n_arms: int,
    *,
    categorical: Sequence[int],
    n_folds: int,
    salt: str,
    how: Evaluation,
) -> Iterator[float]:
    """AUTOC of a plan on one held-out fold after the other, for a search that may stop early.

    The arguments are those of ``hold_trial``; the mean of all folds is its estimate.
    """
    parts = by_fold(
        data,
        lambda learned: plan.fit(learned, outcome, n_arms, categorical=categorical),
        n_folds=n_folds,
        salt=salt,
    )
    for held_out, effects in parts:
        rows = np.zeros(data.n_rows, dtype=np.bool_)
        rows[held_out] = True
        one_fold = np.zeros(len(held_out), dtype=np.int64)
        yield float(_ranked(data.where(rows), effects, one_fold, how, replicates=0)[0])


def _ranked(
    data: TrainingData, effects: Floats, fold: Ints, how: Evaluation, *, replicates: int
) -> Floats:
    units = range(data.n_rows) if data.cluster is None else data.cluster
    return mean_autoc(
        effects,
        data.arm.astype(np.int64),
        data.outcome,
        fold=fold,
        weight=1.0 / data.propensity,
        keys=hash_keys(map(str, units)),
        replicates=replicates,
        seed=how.seed,
        max_blocks=how.blocks,
    )


def chosen(trials: Sequence[Trial]) -> Trial:
    """The simplest of the best; never the response model, however well it ranks.

    Args:
        trials: The simplest first, on the same rows and folds.
    """
    by_name = {trial.name: trial for trial in trials if trial.plan.learner != RESPONSE}
    return by_name[choose({name: trial.replicates for name, trial in by_name.items()})]
