"""Which of several rankings is the best, as far as held-out rows can tell."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from uplift.arms import CONTROL
from uplift.evaluation.metrics import autoc
from uplift.evaluation.ranked_sums import ranked_sums
from uplift.evaluation.resampling import Floats, Ints, Keys


def mean_autoc(
    priorities: Floats,
    arm: Ints,
    outcome: Floats,
    *,
    fold: Ints,
    weight: Floats,
    keys: Keys,
    replicates: int,
    seed: int,
    max_blocks: int,
) -> Floats:
    """AUTOC of cross-validated rankings, averaged over folds and treatments, shape (R + 1,).

    Each fold has its own ranking, by the model that did not learn from it; rankings of different
    models are never mixed. The same seed and keys give the same replicates, so two candidates can
    be compared replicate by replicate.

    For comparing, not for proof: the replicates take the models as given, but the models of two
    folds have learned from each other's rows. Where nothing is to be found their luck agrees, and
    the spread of the replicates is too small, with two folds by up to the root of 2 (Wager 2024,
    "Sequential validation of treatment heterogeneity"). Proof takes rows that no model has seen.

    A unit may have drawn different arms in several experiments; all its rows share a weight.

    Args:
        priorities: What to rank by for each treatment, shape (n, K).
        arm: Shape (n,).
        outcome: Shape (n,).
        fold: Of each row, shape (n,).
        weight: 1 / propensity, shape (n,).
        keys: Of the randomisation units, each of which lies in one fold, shape (n,).
        replicates: R.
        seed: Of the bootstrap.
        max_blocks: The most blocks of a ranking.
    """
    n_treatments = priorities.shape[1]
    parts = []
    for number in np.unique(fold):
        rows = fold == number
        for treatment in range(1, n_treatments + 1):
            pair = rows & ((arm == CONTROL) | (arm == treatment))
            sums = ranked_sums(
                priorities[pair, treatment - 1],
                (arm[pair] == treatment).astype(np.int64),
                outcome[pair],
                n_arms=2,
                weight=weight[pair],
                keys=keys[pair],
                replicates=replicates,
                seed=seed,
                max_blocks=max_blocks,
                one_arm_per_unit=False,
            )
            parts.append(autoc(sums, 1))
    return np.asarray(np.mean(parts, axis=0))


def choose(metrics: Mapping[str, npt.NDArray[np.float64]]) -> str:
    """The first candidate that the best one does not beat by more than one standard error.

    The best is that of the highest metric. Its lead over another is judged on the same replicates,
    so what makes both look good or bad cancels. Candidates stand in order of simplicity: among
    equals, the simpler generalises better and is easier to look after.

    Args:
        metrics: By candidate, the simplest first: its metric per replicate, shape (R + 1,), the
            data's first; larger is better.

    Examples:
        >>> choose({"simple": np.array([1.0, 1.0, 1.2]), "complex": np.array([1.1, 0.9, 1.5])})
        'simple'
    """
    best = max(metrics, key=lambda name: float(metrics[name][0]))
    for name, values in metrics.items():
        lead = metrics[best] - values
        if lead[0] <= np.std(lead[1:], ddof=1):
            return name
    return best
