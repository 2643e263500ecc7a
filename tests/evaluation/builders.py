"""Small rankings made by hand."""

import numpy as np
from hypothesis import strategies as st

from uplift.arms import Arms
from uplift.config import Gate
from uplift.evaluation.evidence import gather_evidence
from uplift.evaluation.gate import judge
from uplift.evaluation.policy_sums import policy_sums
from uplift.evaluation.ranked_sums import RankedSums, ranked_sums
from uplift.evaluation.story import Story

Log = list[tuple[int, int, int]]  # priority, arm, outcome


def from_counts(*blocks: tuple[int, int, int, int]) -> RankedSums:
    """One treatment, best block first, each block (n_treated, y_treated, n_control, y_control)."""
    table = np.array(blocks, dtype=np.float64)
    n = table[np.newaxis][:, :, [2, 0]]
    return RankedSums(
        n=n,
        y=table[np.newaxis][:, :, [3, 1]],
        rows=n[0].astype(np.int64),
        priority=-np.arange(len(blocks), dtype=np.float64),
        outcome_is_binary=True,
    )


def from_log(log: Log) -> RankedSums:
    """One treatment, from rows."""
    priority, arm, outcome = zip(*log, strict=True)
    return ranked_sums(priority, arm, outcome, n_arms=2)


def logs(max_priority: int = 3) -> st.SearchStrategy[Log]:
    """Binary logs with many ties, and with responders and others in both arms."""
    rows = st.tuples(st.integers(0, max_priority), st.integers(0, 1), st.integers(0, 1))
    kinds = [(0, 0), (0, 1), (1, 0), (1, 1)]
    one_of_each = st.tuples(*(st.integers(0, max_priority) for _ in kinds)).map(
        lambda drawn: [(priority, *kind) for priority, kind in zip(drawn, kinds, strict=True)]
    )
    return st.builds(lambda some, more: some + more, one_of_each, st.lists(rows, max_size=30))


def story(*, promoted: bool = True, n: int = 4000, arms: Arms | None = None) -> Story:
    """An evaluation of two coupons; one of them moves whom its ranking says, or nobody is moved."""
    arms = arms or Arms(("none", "coupon_5", "coupon_10"))
    rng = np.random.default_rng(8 if promoted else 5)
    x, loyal, arm = rng.uniform(size=n), rng.random(n) < 0.4, rng.integers(0, 3, n)
    true = np.column_stack([np.zeros(n), np.full(n, 0.05), 0.25 * x]) * promoted
    effects = true[:, 1:] if promoted else rng.normal(size=(n, 2)) / 9
    outcome = (rng.random(n) < 0.1 + 0.4 * loyal + true[np.arange(n), arm]).astype(float)
    draws = {"replicates": 60, "seed": 2}
    effects = effects + 0.01 * rng.normal(size=(n, 2))
    rankings = [
        ranked_sums(effects[:, k], arm, outcome, n_arms=3, max_blocks=100, **draws) for k in (0, 1)
    ]
    expected = 0.1 + 0.4 * loyal[:, np.newaxis] + np.column_stack([np.zeros(n), effects])
    decisions = np.where(effects[:, 1] > 0.08, 2, 0)
    policies = policy_sums(
        arm,
        30 * outcome - 2.0 * (arm == 2),
        np.full(n, 1 / 3),
        {"champion": np.where(x > 0.7, 2, 0), "model": decisions},
        arms=arms,
        expected=30 * expected,
        **draws,
    )
    evidence = gather_evidence(
        arms,
        rankings,
        policies,
        rankings[0],
        challenger="model",
        earlier={},
        halves=(effects, effects + 0.05 * rng.normal(size=(n, 2))),
        rules=Gate(),
        level=0.95,
    )
    return Story(
        arms=arms,
        rankings=rankings,
        by_response=ranked_sums(loyal, arm, outcome, n_arms=3, **draws),
        policies=policies,
        evidence=evidence,
        verdict=judge(evidence, rules=Gate(), level=0.95),
        effects=effects,
        expected=expected,
        challenger="model",
        model="abc123 (t_learner)",
        consequence="It serves as champion, version abc123.",
        share=0.3,
        level=0.95,
    )
