"""A log in memory, walked from rows to the gate's verdict as the jobs do it with tables."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uplift.arms import Arms
from uplift.columns import CONVERSION
from uplift.config import Evaluation, Gate
from uplift.evaluation.evidence import gather_evidence
from uplift.evaluation.gate import Evidence, Verdict, judge
from uplift.evaluation.policy_sums import policy_sums
from uplift.evaluation.ranked_sums import ranked_sums
from uplift.learners.data import TrainingData
from uplift.learners.fit import Plan
from uplift.selection.refits import halves, sequential_tests

HOW = Evaluation(replicates=200, blocks=500, level=0.95, seed=11)


@dataclass(frozen=True)
class Judged:
    verdict: Verdict
    evidence: Evidence


def judge_log(
    data: TrainingData,
    arms: Arms,
    plans: Mapping[str, Plan],
    *,
    challenger: str,
    seed: int,
    categorical: tuple[int, ...] = (),
    how: Evaluation = HOW,
    rules: Gate | None = None,
    contact_eur: float = 0.0,
) -> Judged:
    """Hold 30 % out, fit on the rest, and judge by all of it; an outcome earns one euro."""
    rules = rules or how.gate
    n_arms = len(arms.names)
    is_test = np.random.default_rng(seed).random(data.n_rows) < 0.3
    train, test = data.where(~is_test), data.where(is_test)

    def cate(rows: TrainingData) -> npt.NDArray[np.float64]:
        model = plans[challenger].fit(rows, CONVERSION, n_arms, categorical=categorical)
        expected = model.predict(test.features)
        return expected[:, 1:] - expected[:, :1]

    found = sequential_tests(
        plans,
        train,
        CONVERSION,
        n_arms,
        categorical=categorical,
        n_folds=rules.sequential_folds,
        salt=f"parts {seed}",
        how=how,
    )
    effects = cate(train)
    decisions = np.where(effects.max(axis=1) > contact_eur, effects.argmax(axis=1) + 1, 0)
    draws = {"replicates": how.replicates, "seed": how.seed}
    rankings = [
        ranked_sums(
            effects[:, k - 1],
            test.arm,
            test.outcome,
            n_arms=n_arms,
            weight=1.0 / test.propensity,
            max_blocks=how.blocks,
            **draws,
        )
        for k in range(1, n_arms)
    ]
    evidence = gather_evidence(
        arms,
        rankings,
        policy_sums(
            test.arm,
            test.outcome - contact_eur * (test.arm > 0),
            test.propensity,
            {"model": decisions},
            arms=arms,
            **draws,
        ),
        ranked_sums(np.zeros(data.n_rows), data.arm, data.outcome, n_arms=n_arms, **draws),
        challenger="model",
        earlier={
            name: [by_treatment[k] for by_treatment in found.tests]
            for k, name in enumerate(arms.treatments)
        },
        halves=tuple(cate(train.where(half)) for half in halves(train, salt=f"halves {seed}")),
        rules=rules,
        level=how.level,
    )
    return Judged(judge(evidence, rules=rules, level=how.level), evidence)
