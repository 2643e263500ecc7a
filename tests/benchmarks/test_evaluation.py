"""A Qini coefficient with its interval, against scikit-uplift called once per replicate."""

import warnings

import numpy as np
import pytest

from tests.benchmarks.conftest import Bench
from uplift.evaluation.metrics import qini_auc
from uplift.evaluation.ranked_sums import RankedSums, ranked_sums
from uplift.evaluation.uncertainty import from_replicates

N, REPLICATES, MEASURED = 1_000_000, 200, 3


def test_qini_with_interval_of_a_million_rows(bench: Bench) -> None:
    from sklift.metrics import qini_auc_score

    rng = np.random.default_rng(0)
    score, arm = rng.normal(size=N), rng.integers(0, 2, N)
    outcome = (rng.uniform(size=N) < 0.1 + 0.02 * arm * (score > 0)).astype(np.int64)
    keys = rng.integers(0, 2**63, N).astype(np.uint64)

    def sums(replicates: int, max_blocks: int | None) -> RankedSums:
        return ranked_sums(
            score,
            arm,
            outcome,
            n_arms=2,
            keys=keys,
            replicates=replicates,
            max_blocks=max_blocks,
        )

    def peer() -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return float(qini_auc_score(outcome, score, arm))

    found = from_replicates(qini_auc(sums(REPLICATES, 500), 1), level=0.95)
    # 500 blocks instead of a million lose next to nothing
    assert found.estimate == pytest.approx(peer(), abs=0.05 * found.standard_error)
    assert qini_auc(sums(0, None), 1)[0] == pytest.approx(peer(), rel=1e-9)

    once = bench.best(peer, repeats=MEASURED)
    bench.row(
        f"Qini, interval of {REPLICATES} replicates, 1M rows, numpy "
        f"(peer: {MEASURED} calls, best x {REPLICATES + 1}, without drawing samples)",
        ours=bench.best(lambda: qini_auc(sums(REPLICATES, 500), 1), repeats=MEASURED),
        unit="s",
        peer=("scikit-uplift qini_auc_score", once * (REPLICATES + 1)),
        target=50,
    )
    bench.row(
        "Qini without interval, 1M rows without ties, numpy",
        ours=bench.best(lambda: qini_auc(sums(0, None), 1), repeats=MEASURED),
        unit="s",
        peer=("scikit-uplift qini_auc_score", once),
    )
