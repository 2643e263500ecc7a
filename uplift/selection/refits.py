"""Refits on parts of the training rows: proof that a ranking beats chance, and is stable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.arms import CONTROL
from uplift.config import Evaluation
from uplift.ensemble import FlatEnsemble
from uplift.errors import ExperimentError
from uplift.evaluation.proof import RankingTest, ranking_test
from uplift.evaluation.ranked_sums import ranked_sums
from uplift.evaluation.resampling import Floats
from uplift.hashing import hash_keys
from uplift.learners.data import TrainingData
from uplift.learners.fit import Plan
from uplift.learners.nuisance import assign_folds


@dataclass(frozen=True)
class SequentialTests:
    """Tests on training rows by models of the parts before.

    Attributes:
        tests: One tuple of K tests, treatments 1..K, for each part but the first.
        picked: Which candidate was tested on each of these parts.
    """

    tests: tuple[tuple[RankingTest, ...], ...]
    picked: tuple[str, ...]


def sequential_tests(
    plans: Mapping[str, Plan],
    data: TrainingData,
    outcome: str,
    n_arms: int,
    *,
    categorical: Sequence[int],
    n_folds: int,
    salt: str,
    how: Evaluation,
) -> SequentialTests:
    """Fit on the first part and rank the second, fit on both and rank the third, and so on.

    On each part that candidate is tested which has ranked best on the parts before, on the second
    the simplest. It is chosen without the rows that test it, so the tests are as good as those of
    one learner named in advance; see ``uplift.evaluation.proof``.

    Args:
        plans: Of the candidates, the simplest first.
        data: All training rows, with that outcome.
        outcome: ``conversion`` or ``revenue``.
        n_arms: K + 1.
        categorical: Columns whose numbers are categories.
        n_folds: How many parts; 1 makes no test.
        salt: Of the parts. Randomisation units stay whole.
        how: Replicates, blocks and seed.

    Returns:
        Without the parts for which an arm had too few rows to learn from.
    """
    fold = assign_folds(data, n_folds, salt=salt)
    standing = dict.fromkeys(plans, 0.0)
    tests, picked = [], []
    for number in range(1, n_folds):
        best = max(standing, key=lambda name: standing[name])
        found = {}
        for name, plan in plans.items():
            try:
                known = data.where(fold < number)
                model = plan.fit(known, outcome, n_arms, categorical=categorical)
                found[name] = _tests(model, data.where(fold == number), n_arms, how)
            except ExperimentError:  # too small a part, or an arm that it lacks
                continue
        if best in found:
            tests.append(found[best])
            picked.append(best)
        for name, by_treatment in found.items():
            rows = np.sqrt([test.rows for test in by_treatment])
            z = np.nan_to_num([test.z for test in by_treatment], nan=0.0)
            standing[name] += float(rows @ z)
    return SequentialTests(tuple(tests), tuple(picked))


def halves(data: TrainingData, *, salt: str) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which rows belong to either half; randomisation units stay whole."""
    fold = assign_folds(data, 2, salt=salt)
    return fold == 0, fold == 1


def _tests(
    model: FlatEnsemble, unseen: TrainingData, n_arms: int, how: Evaluation
) -> tuple[RankingTest, ...]:
    expected = model.predict(unseen.features)
    return tuple(
        _test(expected[:, k] - expected[:, CONTROL], unseen, k, how) for k in range(1, n_arms)
    )


def _test(cate: Floats, unseen: TrainingData, treatment: int, how: Evaluation) -> RankingTest:
    pair = (unseen.arm == CONTROL) | (unseen.arm == treatment)
    units = np.flatnonzero(pair) if unseen.cluster is None else unseen.cluster[pair]
    weight = 1.0 / unseen.propensity if unseen.weight is None else unseen.weight / unseen.propensity
    sums = ranked_sums(
        cate[pair],
        (unseen.arm[pair] == treatment).astype(np.int64),
        unseen.outcome[pair],
        n_arms=2,
        weight=weight[pair],
        keys=hash_keys(map(str, units)),
        replicates=how.replicates,
        seed=how.seed,
        max_blocks=how.blocks,
        one_arm_per_unit=False,
    )
    return ranking_test(sums, 1)
