"""Areas with their intervals, against scikit-uplift and causalml called once per replicate.

The Spark row has 10 million rows with ``UPLIFT_BENCH_EVALUATION_ROWS=10000000``.
"""

import os
import time
import tracemalloc
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.conftest import Bench
from uplift.evaluation.metrics import ate, autoc, auuc, qini_auc, radcliffe_q, rate_qini
from uplift.evaluation.ranked_sums import RankedSums, ranked_sums
from uplift.evaluation.uncertainty import from_replicates

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

N, REPLICATES, MEASURED = 1_000_000, 200, 3
N_SPARK, REPLICATES_SPARK = int(os.environ.get("UPLIFT_BENCH_EVALUATION_ROWS", "1000000")), 1000


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


def test_auuc_with_interval_of_a_million_rows(bench: Bench) -> None:
    from causalml.metrics import auuc_score

    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"score": rng.permutation(N) / N, "w": rng.integers(0, 2, N)})
    frame["y"] = (rng.uniform(size=N) < 0.1 + 0.02 * frame["w"] * frame["score"]).astype(int)
    keys = rng.integers(0, 2**63, N).astype(np.uint64)

    def peer() -> float:
        columns = {"outcome_col": "y", "treatment_col": "w", "treatment_effect_col": "unknown"}
        return float(auuc_score(frame, **columns)["score"])

    def ours(replicates: int = REPLICATES, blocks: int | None = 500) -> RankedSums:
        return ranked_sums(
            frame["score"],
            frame["w"],
            frame["y"],
            n_arms=2,
            keys=keys,
            replicates=replicates,
            max_blocks=blocks,
        )

    assert auuc(ours(0, None), 1)[0] == pytest.approx(peer(), rel=1e-9)
    bench.row(
        f"AUUC, interval of {REPLICATES} replicates, 1M rows, numpy (peer: {MEASURED} calls, best "
        f"x {REPLICATES + 1}, without drawing samples)",
        ours=bench.best(lambda: auuc(ours(), 1), repeats=MEASURED),
        unit="s",
        peer=("causalml auuc_score", bench.best(peer, repeats=MEASURED) * (REPLICATES + 1)),
        target=50,
    )
    tracemalloc.start()
    auuc(ours(), 1)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    bench.row(
        "memory of the same",
        ours=most / 2**20,
        unit="MiB",
        peer=(f"{REPLICATES} weights of a byte per row", N * REPLICATES / 2**20),
    )


def test_six_metrics_with_intervals_of_a_table(
    bench: Bench, spark: "SparkSession", tmp_path: Path
) -> None:
    from pyspark.sql import functions as F

    from uplift.spark.ranked_sums import ranked_sums as sums_of_table

    path = str(tmp_path / "rows")
    x, arm = F.rand(1), (F.rand(3) < 0.5).cast("int")
    spark.range(0, N_SPARK, 1, 8).select(
        F.concat(F.lit("unit "), F.col("id")).alias("cluster_id"),
        arm.alias("arm"),
        F.lit(0.5).alias("propensity"),
        x.alias("cate"),
        (F.rand(2) < 0.05 + 0.02 * arm * x).cast("int").alias("conversion"),
    ).write.parquet(path)
    rows = spark.read.parquet(path)

    start = time.perf_counter()
    [sums] = sums_of_table(
        rows,
        [F.col("cate")],
        outcome="conversion",
        n_arms=2,
        replicates=REPLICATES_SPARK,
        seed=1,
        max_blocks=500,
    )
    metrics = (ate, autoc, rate_qini, radcliffe_q, qini_auc, auuc)
    found = [from_replicates(metric(sums, 1), level=0.95) for metric in metrics]
    seconds = time.perf_counter() - start
    assert all(np.isfinite(estimate.standard_error) for estimate in found)
    bench.row(
        f"six metrics with intervals, {N_SPARK:,} rows x {REPLICATES_SPARK} replicates, "
        "`local[2]`, Parquet to numbers",
        ours=seconds,
        unit="s",
        peer=("a minute per 10M rows", 60 * N_SPARK / 1e7),
        target=1,
    )
