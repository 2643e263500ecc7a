"""Small rankings made by hand."""

import numpy as np
from hypothesis import strategies as st

from uplift.evaluation.ranked_sums import RankedSums, ranked_sums

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
